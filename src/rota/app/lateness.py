"""Where the time went between the moment a run was due and the start of its last attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rota.model.event import Event
from rota.model.fire import FireKind, FireRecord
from rota.model.run import RunRecord

SECOND = 1_000_000
CAUSES = {
    "scheduling": "until a node judged the due moment",
    "jitter": "shifted by the jitter of its schedule",
    "staging": "until it was made available",
    "held": "held back by a limit",
    "queue": "in the queue",
    "attempts": "in attempts that came to nothing",
    "back_off": "between attempts, for the retry's delay",
    "snoozed": "put off by its own body",
}
"""What a part of the time is called, and what it means."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What the run's row remembers of its waiting."""

    staged_at: int | None
    held_since: int | None
    held_for: str | None


@dataclass(frozen=True, slots=True)
class Attempted:
    """From when to when an attempt that came to nothing ran."""

    started_at: int | None
    finished_at: int | None

    @property
    def length(self) -> int:
        return 0 if self.started_at is None or self.finished_at is None else max(0, self.finished_at - self.started_at)


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
    attempts: Sequence[Attempted],
    events: Sequence[Event],
    now: int,
) -> Lateness:
    """1. The way to the first start: judged, shifted, staged, held; the rest of it in the queue. 2. From there on:
    failed attempts, back-off and snoozes as they were recorded; the rest again in the queue. What a person sent back is
    due from then on, and what was before is told no more.
    """
    again = next((each.at for each in reversed(events) if each.kind == "run.retried_by_hand"), None)
    if again is not None:
        return _since_sent_back(record, waits, attempts, events, again, now)
    due_at = _due_at(record, fire)
    first = record.as_of if record.as_of is not None else now
    parts = _to_first_start(record, waits, fire, due_at, first)
    until = first
    if record.as_of is not None and record.attempt > 1:
        until = max(first, record.started_at or now)
        _add(parts, _from_first_start(waits, attempts, events, first, until))
    return Lateness(due_at=due_at, until=until, started=record.as_of is not None, parts=_in_order(parts))


def _since_sent_back(
    record: RunRecord, waits: Waits, attempts: Sequence[Attempted], events: Sequence[Event], again: int, now: int
) -> Lateness:
    started = record.started_at is not None and record.started_at >= again
    ended = record.finished_at if record.finished_at is not None and record.finished_at >= again else now
    until = record.started_at if started and record.started_at is not None else ended
    attempts = [each for each in attempts if (each.started_at or 0) >= again]
    parts = _from_first_start(waits, attempts, [each for each in events if each.at >= again], again, until)
    return Lateness(due_at=again, until=until, started=started, parts=_in_order(parts))


def _in_order(parts: dict[str, int]) -> dict[str, int]:
    return {cause: parts[cause] for cause in CAUSES if parts.get(cause)}


def _due_at(record: RunRecord, fire: FireRecord | None) -> int:
    """What was asked for by hand is due when it was asked for, whatever moment it stands for."""
    if fire is not None:
        return fire.due_at if fire.kind == FireKind.DUE else record.created_at
    if record.as_of is None or (record.attempt <= 1 and record.due_at <= record.as_of):
        return max(record.due_at, record.created_at)
    return record.as_of  # a retry or a snooze has moved `due_at`, and the first one is not kept


def _to_first_start(
    record: RunRecord, waits: Waits, fire: FireRecord | None, due_at: int, first: int
) -> dict[str, int]:
    parts: dict[str, int] = {}
    at = due_at
    if fire is not None and fire.kind == FireKind.DUE:
        at = _step(parts, "scheduling", at, record.created_at, first)
        if record.attempt <= 1:
            at = _step(parts, "jitter", at, record.due_at, first)
    if waits.staged_at is not None and record.attempt <= 1:
        at = _step(parts, "staging", at, waits.staged_at, first)
    held_from = waits.held_since if waits.held_since is not None and waits.held_since <= first else first
    at = _step(parts, "queue", at, held_from, first)
    _step(parts, "held", at, first, first)
    return parts


def _step(parts: dict[str, int], cause: str, since: int, until: int, most: int) -> int:
    until = max(since, min(until, most))
    _add(parts, {cause: until - since})
    return until


def _from_first_start(
    waits: Waits, attempts: Sequence[Attempted], events: Sequence[Event], first: int, until: int
) -> dict[str, int]:
    span = until - first
    found = {
        "attempts": sum(each.length for each in attempts if (each.started_at or 0) < until),
        "back_off": _told(events, "run.retried", until),
        "snoozed": _told(events, "run.snoozed", until),
    }
    rest = max(0, span - sum(found.values()))
    held_later = waits.held_since is not None and first < waits.held_since < until
    found["held"] = min(rest, until - (waits.held_since or until)) if held_later else 0
    found["queue"] = rest - found["held"]
    return found


def _told(events: Sequence[Event], kind: str, until: int) -> int:
    return sum(
        int(float(each.data.get("seconds", 0)) * SECOND) for each in events if each.kind == kind and each.at < until
    )


def _add(parts: dict[str, int], more: dict[str, int]) -> None:
    for cause, length in more.items():
        parts[cause] = parts.get(cause, 0) + length
