"""Tells the log of a working process what befalls its runs and schedules, and never floods it."""

from __future__ import annotations

import logging

from rota.engine.events import Listeners
from rota.engine.flood import Flood
from rota.explain.events import TOLD, about, many_more
from rota.explain.finding import Finding, Severity
from rota.model.event import Event
from rota.shown import visible

logger = logging.getLogger("rota.runs")
LEVELS = {Severity.WARNING: logging.WARNING, Severity.PROBLEM: logging.ERROR}
PATTERNS = {
    "run.succeeded": logging.INFO,
    "run.re*": logging.WARNING,
    "run.[ceoq]*": logging.ERROR,
    "run.wait*": logging.WARNING,
    "fire.*": logging.WARNING,
    "schedule.set_aside": logging.ERROR,
}
"""What is listened to, each with the highest level among its lines. They are few, and not a name for each line: every
event of a run that succeeds is matched against all of them, and that must cost next to nothing.
"""


class Narrator:
    """Listens to what ``TOLD`` names. ``flush`` tells what was left out, once its window is over."""

    def __init__(self, flood: Flood | None = None) -> None:
        self._flood = flood or Flood()

    def listen(self, listeners: Listeners) -> None:
        for pattern, level in PATTERNS.items():
            if logger.isEnabledFor(level):  # what nobody reads need not be made
                listeners.add(pattern, self.hear)

    def hear(self, event: Event) -> None:
        if event.kind not in TOLD:
            return
        self.flush()
        if self._flood.lets_by(event.kind):
            known = {"run": event.run_id, "job": event.data.get("job"), "attempt": event.data.get("attempt")}
            _log(about(event), known)

    def flush(self, *, last: bool = False) -> None:
        for kind, count in self._flood.left_out(last=last).items():
            _log(many_more(kind, count), {}, "… and ")


def _log(found: Finding, known: dict[str, object], before: str = "") -> None:
    """One line, whatever an error says: the application's own handlers may show it as it is."""
    line = f"{before}{found.text}" + (f"; {found.todo}" if found.todo else "")
    logger.log(LEVELS.get(found.severity, logging.INFO), "%s", visible(line), extra=known)
