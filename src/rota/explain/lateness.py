"""Where the time went between the moment a run was due and the start of its last attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rota.explain.words import SECOND
from rota.model.event import Event
from rota.model.fire import FireKind, FireRecord
from rota.model.run import AttemptRecord, RunRecord, RunState

CAUSES = {
    "scheduling": "until a node judged the due moment",
    "jitter": "shifted by the jitter of its schedule",
    "staging": "until it was made available",
    "held": "held back",
    "queue": "in the queue",
    "attempts": "in attempts that came to nothing",
    "back_off": "between attempts, for the retry's delay",
    "snoozed": "put off by its own body",
    "signal": "waiting for a signal",
}
"""What a part of the time is called, and what it means."""
PUT_OFF = {"run.retried": "back_off", "run.snoozed": "snoozed"}
RESUMED = {"run.signalled", "run.wait_timed_out"}


@dataclass(frozen=True, slots=True)
class Waits:
    """What the run's row remembers of its waiting."""

    staged_at: int | None
    held_since: int | None
    held_for: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """``parts``: microseconds by the words of ``CAUSES``, in order of time, none of them zero; they add up."""

    due_at: int
    until: int
    started: bool
    """Whether ``until`` is a start; else it waits, or did until it was given up."""
    parts: dict[str, int]

    @property
    def total(self) -> int:
        return self.until - self.due_at


def lateness(
    record: RunRecord,
    waits: Waits,
    fire: FireRecord | None,
    attempts: Sequence[AttemptRecord],
    events: Sequence[Event],
    now: int,
) -> Lateness:
    """A walk through the run's time: 1. to the first start: judged, shifted, staged, in the queue, held. 2. From each
    start to the next one: the attempt, what it put off, and again the queue. What a person sent back is due from then
    on, and what was before is told no more.
    """
    again = max((each.at for each in events if each.kind == "run.retried_by_hand"), default=None)
    began = [each for each in attempts if each.started_at is not None and each.started_at >= (again or 0)]
    resumed = [each.at for each in events if each.kind in RESUMED and each.data.get("resumed", True)]
    events = [each for each in events if each.kind in PUT_OFF and each.at >= (again or 0)]
    due_at = _due_at(record, fire, began, events) if again is None else again
    waiting = record.state == RunState.AVAILABLE or (record.state == RunState.SCHEDULED and record.due_at <= now)
    started = bool(began) and not waiting
    until = _start(began[-1]) if started else now if waiting or record.finished_at is None else record.finished_at
    walk = _Walk(due_at, max(due_at, until), waits)
    if again is None:
        walk.to_available(record, fire, moved=bool(events))
    for each, (start, next_start) in zip(began, pairwise([*map(_start, began), now + 1]), strict=True):
        put_off = next((event for event in events if start <= event.at < next_start), None)
        walk.through(each, put_off, next((at for at in resumed if start <= at <= next_start), None))
    walk.in_queue(walk.until)
    parts = {cause: walk.parts[cause] for cause in CAUSES if walk.parts.get(cause)}
    return Lateness(due_at=due_at, until=walk.until, started=started, parts=parts)


def _due_at(
    record: RunRecord, fire: FireRecord | None, began: Sequence[AttemptRecord], put_off: Sequence[Event]
) -> int:
    """What was asked for by hand is due when it was asked for, whatever moment it stands for."""
    if fire is not None:
        return fire.due_at if fire.kind == FireKind.DUE else record.created_at
    if put_off and began:
        return _start(began[0])  # a retry or a snooze has moved `due_at`, and the first one is not kept
    return max(record.due_at, record.created_at)


def _start(attempt: AttemptRecord) -> int:
    return attempt.started_at or 0


class _Walk:
    """Goes from the due moment on, and notes for each stretch of time what it was spent on."""

    def __init__(self, at: int, until: int, waits: Waits) -> None:
        self.at = at
        self.until = until
        self.parts: dict[str, int] = {}
        self._waits = waits

    def step(self, cause: str, until: int | None) -> None:
        """Never back, and never beyond the end."""
        until = max(self.at, min(until or 0, self.until))
        self.parts[cause] = self.parts.get(cause, 0) + until - self.at
        self.at = until

    def to_available(self, record: RunRecord, fire: FireRecord | None, *, moved: bool) -> None:
        """``moved``: by a retry or a snooze, so that ``due_at`` and ``staged_at`` are no longer the first ones."""
        if fire is not None and fire.kind == FireKind.DUE:
            self.step("scheduling", record.created_at)
            if not moved:
                self.step("jitter", record.due_at)
        if not moved:
            self.step("staging", self._waits.staged_at)

    def in_queue(self, until: int) -> None:
        """Until it is first held by a limit: later holds are not kept apart."""
        held_since = self._waits.held_since
        if held_since is not None and self.at <= held_since < until:
            self.step("queue", held_since)
            self.step("held", until)
        self.step("queue", until)

    def through(self, attempt: AttemptRecord, put_off: Event | None, resumed_at: int | None) -> None:
        """``put_off``: by a retry or a snooze, when it ended; ``resumed_at``: when its signal came."""
        self.in_queue(_start(attempt))
        if self.at >= self.until:
            return
        self.step("attempts", attempt.finished_at)
        self.step("signal", resumed_at)
        if put_off is not None:
            self.step(PUT_OFF[put_off.kind], put_off.at + int(float(put_off.data.get("seconds", 0)) * SECOND))
