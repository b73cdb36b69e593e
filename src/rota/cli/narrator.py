"""Tells the log of a working process what befalls its runs and schedules, and never floods it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from rota.cli.terminal import visible
from rota.engine.events import Listeners
from rota.explain.events import TOLD, about, many_more
from rota.explain.finding import Finding, Severity
from rota.model.event import Event

logger = logging.getLogger("rota.runs")
MOST = 10
"""Lines of one kind in a window; what comes beyond is counted."""
WINDOW = 10.0
LEVELS = {Severity.WARNING: logging.WARNING, Severity.PROBLEM: logging.ERROR}
PATTERNS = {
    "run.succeeded": logging.INFO,
    "run.re*": logging.WARNING,
    "run.[cfoq]*": logging.ERROR,
    "fire.*": logging.WARNING,
}
"""What is listened to, each with the highest level among its lines. They are few, and not a name for each line: every
event of a run that succeeds is matched against all of them, and that must cost next to nothing.
"""


class Narrator:
    """Listens to what ``TOLD`` names. ``flush`` tells what was left out, once its window is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._began = clock()

    def listen(self, listeners: Listeners) -> None:
        for pattern, level in PATTERNS.items():
            if logger.isEnabledFor(level):  # what nobody reads need not be made
                listeners.add(pattern, self.hear)

    def hear(self, event: Event) -> None:
        if event.kind not in TOLD:
            return
        self.flush()
        with self._lock:
            count = self._counts[event.kind] = self._counts.get(event.kind, 0) + 1
        if count <= MOST:
            known = {"run": event.run_id, "job": event.data.get("job"), "attempt": event.data.get("attempt")}
            _log(about(event), known)

    def flush(self, *, last: bool = False) -> None:
        if not last and self._clock() - self._began < WINDOW:
            return
        with self._lock:
            counts, self._counts, self._began = self._counts, {}, self._clock()
        for kind, count in counts.items():
            if count > MOST:
                _log(many_more(kind, count - MOST), {}, "… and ")


def _log(found: Finding, known: dict[str, object], before: str = "") -> None:
    """One line, whatever an error says: the application's own handlers may show it as it is."""
    line = f"{before}{found.text}" + (f"; {found.todo}" if found.todo else "")
    logger.log(LEVELS.get(found.severity, logging.INFO), "%s", visible(line), extra=known)
