"""Says in the log that runs have failed, wherever their node works: each once, after the ledger knows of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rota.engine.flood import Flood
from rota.engine.inflight import Over
from rota.shown import counted, visible

logger = logging.getLogger("rota.job")
_MORE = {
    "failed": (logging.ERROR, "… and %s failed for good; see: rota dead ls"),
    "retried": (
        logging.WARNING,
        "… and %s failed, to be tried again",
    ),
}


class FailureLog:
    """At the level ERROR, with the traceback, what failed for good; at WARNING, what is tried again."""

    def __init__(self, flood: Flood | None = None) -> None:
        self._flood = flood or Flood()

    def tell(self, ends: Iterable[tuple[Over, str]]) -> None:
        """``ends``: each with its verdict."""
        for over, verdict in ends:
            if verdict in _MORE and logger.isEnabledFor(_MORE[verdict][0]):
                self.flush()
                if self._flood.lets_by(verdict):
                    _tell(over, verdict)

    def flush(self, *, last: bool = False) -> None:
        """Say how many were left out, once that is known."""
        for verdict, count in self._flood.left_out(last=last).items():
            level, text = _MORE[verdict]
            logger.log(level, text, counted(count, "more run" if verdict == "failed" else "more attempt"))


def _tell(over: Over, verdict: str) -> None:
    """One line, whatever an error says, and below it the traceback, which formatters show as they do any other."""
    run, ended = over.attempt.envelope, over.ended
    level, text = logging.ERROR, f"{run.job} failed for good in attempt {run.attempt}: {ended.error}"
    if verdict == "retried":
        level, text = logging.WARNING, f"{run.job} failed in attempt {run.attempt}: {ended.error}; it is tried again"
    else:
        text += f"; see: rota run show {run.id}"
    known = {"run": run.id, "job": run.job, "attempt": run.attempt}
    record = logger.makeRecord(logger.name, level, __file__, 0, "%s", (visible(text),), None, extra=known)
    if verdict == "failed" and ended.traceback:
        record.exc_text = "\n".join(f"  {visible(line)}" for line in ended.traceback.rstrip("\n").split("\n"))
    logger.handle(record)
