"""Says in the log that runs have failed, wherever their node works: each once, after the ledger knows of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from rota.engine.flood import Flood
from rota.engine.inflight import Over
from rota.shown import counted, visible

logger = logging.getLogger("rota.job")


@dataclass(frozen=True, slots=True)
class _Line:
    """How an attempt that came to nothing is told: one, and so many more."""

    level: int
    one: str
    more: str
    noun: str = "more attempt"


_LINES = {
    "failed": _Line(
        logging.ERROR,
        "{run.job} failed for good in attempt {run.attempt}: {error}; see: rota run show {run.id}",
        "… and %s failed for good; see: rota dead ls",
        "more run",
    ),
    "retried": _Line(
        logging.WARNING,
        "{run.job} failed in attempt {run.attempt}: {error}; it is tried again",
        "… and %s failed, to be tried again",
    ),
    "crashed": _Line(
        logging.WARNING,
        "{run.job} crashed in attempt {run.attempt} of run {run.id}: {error}; it is tried again",
        "… and %s crashed, to be tried again",
    ),
    "quarantined": _Line(
        logging.WARNING,
        "{run.job} crashed in attempt {run.attempt} of run {run.id}: {error}; it is not tried again",
        "… and %s crashed once too often; see: rota dead ls",
    ),
}
"""By verdict."""


class FailureLog:
    """At the level ERROR, with the traceback, what failed for good; at WARNING, what is tried again, and crashes."""

    def __init__(self, flood: Flood | None = None) -> None:
        self._flood = flood or Flood()

    def tell(self, ends: Iterable[tuple[Over, str]]) -> None:
        """``ends``: each with its verdict."""
        for over, verdict in ends:
            if verdict in _LINES and logger.isEnabledFor(_LINES[verdict].level):
                self.flush()
                if self._flood.lets_by(verdict):
                    _tell(over, verdict)

    def flush(self, *, last: bool = False) -> None:
        """Say how many were left out, once that is known."""
        for verdict, count in self._flood.left_out(last=last).items():
            line = _LINES[verdict]
            logger.log(line.level, line.more, counted(count, line.noun))


def _tell(over: Over, verdict: str) -> None:
    """One line, whatever an error says, and below it the traceback, which formatters show as they do any other."""
    run, ended = over.attempt.envelope, over.ended
    line = _LINES[verdict]
    text = line.one.format(run=run, error=ended.error)
    known = {"run": run.id, "job": run.job, "attempt": run.attempt}
    record = logger.makeRecord(logger.name, line.level, __file__, 0, "%s", (visible(text),), None, extra=known)
    if verdict == "failed" and ended.traceback:
        record.exc_text = "\n".join(f"  {visible(line)}" for line in ended.traceback.rstrip("\n").split("\n"))
    logger.handle(record)
