"""Tells the log of a working process what befalls its runs and schedules, and never floods it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rota.cli.terminal import visible
from rota.clock import from_us
from rota.engine.events import Listeners
from rota.model.duration import show_duration
from rota.model.event import Event

logger = logging.getLogger("rota.runs")
MOST = 10
"""Lines of one kind in a window; what comes beyond is counted."""
WINDOW = 10.0
Tell = Callable[[Event], str]


@dataclass(frozen=True, slots=True)
class Line:
    """How one kind of event is told, and how many that were left out."""

    level: int
    tell: Tell
    more: str


class Narrator:
    """Listens to what ``LINES`` names. ``flush`` tells what was left out, once its window is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, int] = {}
        self._began = clock()

    def listen(self, listeners: Listeners) -> None:
        for pattern, level in PATTERNS.items():
            if logger.isEnabledFor(level):  # what nobody reads need not be made
                listeners.add(pattern, self.hear)

    def hear(self, event: Event) -> None:
        line = LINES.get(event.kind)
        if line is None:
            return
        self.flush()
        with self._lock:
            count = self._told[event.kind] = self._told.get(event.kind, 0) + 1
        if count <= MOST:
            known = {"run": event.run_id, "job": event.data.get("job"), "attempt": event.data.get("attempt")}
            logger.log(line.level, "%s", visible(line.tell(event)), extra=known)

    def flush(self, *, last: bool = False) -> None:
        if not last and self._clock() - self._began < WINDOW:
            return
        with self._lock:
            told, self._told, self._began = self._told, {}, self._clock()
        for kind, count in told.items():
            if count > MOST:
                logger.log(LINES[kind].level, "… and %s", LINES[kind].more.format(f"{count - MOST:,}"))


def _of_job(told: str) -> Tell:
    return lambda event: f"{event.data.get('job')} " + told.format_map(_Words(event))


class _Words(dict[str, Any]):
    """What an event says, with lengths of time as people write them."""

    def __init__(self, event: Event) -> None:
        lengths = {name: event.data.get(name) for name in ("seconds", "took", "timeout")}
        told = {name: show_duration(length) for name, length in lengths.items() if length is not None}
        super().__init__({**event.data, **told, "id": event.run_id})

    def __missing__(self, name: str) -> str:
        return "?"


def _of_fire(verdict: str) -> Tell:
    def tell(event: Event) -> str:
        data = event.data
        count = data.get("moments")
        when = f"{from_us(data['due_at']).astimezone():%Y-%m-%d %H:%M:%S %Z}"
        moments = f"its due moment {when} was" if count == 1 else f"{count or 'many'} due moments from {when} on were"
        name = event.subject.removeprefix("schedule:")
        return f"schedule {name}: {moments} {verdict}" + (f": {data['reason']}" if data.get("reason") else "")

    return tell


LINES = {
    "run.succeeded": Line(logging.INFO, _of_job("succeeded"), "{} more runs succeeded"),
    "run.retried": Line(
        logging.WARNING,
        _of_job("failed in attempt {attempt}: {error}; it is tried again in {seconds}"),
        "{} more attempts failed and are tried again; see: rota run ls --state scheduled",
    ),
    "run.failed": Line(
        logging.ERROR,
        _of_job("failed for good in attempt {attempt}: {error}; see: rota run show {id}"),
        "{} more runs failed for good; see: rota dead ls",
    ),
    "run.overran": Line(
        logging.WARNING,
        _of_job("took {took}, longer than its time-out of {timeout}, and did not look at the signal to stop"),
        "{} more runs took longer than their time-out",
    ),
    "run.cancelled": Line(
        logging.INFO, lambda event: f"{event.data.get('job', 'it')} was cancelled", "{} more runs were cancelled"
    ),
    "run.rescued": Line(
        logging.WARNING,
        _of_job("is brought back: its node {node} was lost while it ran"),
        "{} more runs are brought back from lost nodes",
    ),
    "run.quarantined": Line(
        logging.ERROR,
        _of_job("is given up: its node was lost while it ran, {crashes} times; see: rota run show {id}"),
        "{} more runs are given up, as their nodes were lost while they ran; see: rota dead ls",
    ),
    "run.refused": Line(
        logging.WARNING,
        _of_job("ended in attempt {attempt}, but had been given to another node meanwhile; this end does not count"),
        "{} more ends of runs that had been given to other nodes do not count",
    ),
    "fire.missed": Line(logging.WARNING, _of_fire("missed"), "{} more times due moments were missed"),
    "fire.skipped": Line(logging.INFO, _of_fire("skipped"), "{} more times due moments were skipped"),
}
"""``run.timed_out`` is not among them: ``run.retried`` or ``run.failed`` follows it, with the same error."""

PATTERNS = {
    "run.succeeded": logging.INFO,
    "run.re*": logging.WARNING,
    "run.[cfoq]*": logging.ERROR,
    "fire.*": logging.WARNING,
}
"""What is listened to, each with the highest level among its lines. They are few, and not a name for each line: every
event of a run that succeeds is matched against all of them, and that must cost next to nothing.
"""
