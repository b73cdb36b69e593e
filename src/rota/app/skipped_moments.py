"""Due moments that passed unjudged before somebody changed, paused, switched off or removed their schedule."""

from __future__ import annotations

from rota.engine.planner import count_moments
from rota.model.fire import FireKind, NewFire, Verdict
from rota.model.schedule import Definition, ScheduleRecord


def passed(record: ScheduleRecord, now: int, reason: str) -> list[NewFire]:
    """The verdict that they do not run, so that none is left without one; ``record`` is as it was until now."""
    trigger = Definition.from_json(record.definition).due
    first = trigger.next_after_us(record.watermark)
    last = trigger.previous_before_us(now + 1)
    if first is None or last is None or first > last:
        return []
    count = count_moments(trigger, first, last)
    skipped = NewFire(
        schedule=record.name,
        due_at=first,
        kind=FireKind.DUE,
        verdict=Verdict.SKIPPED,
        reason=_reason(record, reason),
        through_at=last if count != 1 else None,
        moments=count,
    )
    return [skipped]


def counts_from(record: ScheduleRecord, new: Definition, now: int, reason: str) -> tuple[int, list[NewFire]]:
    """Since when a changed definition counts, and what is to be written down of the moments before.

    From now, if its trigger is new: the past moments of that never were due.
    """
    if Definition.from_json(record.definition).due == new.due:
        return record.watermark, []
    return now, passed(record, now, reason)


def is_off(record: ScheduleRecord) -> bool:
    """No next moment, though its trigger has one: its job is off in this environment."""
    if record.next_due_at is not None or record.removed_at is not None:
        return False
    return Definition.from_json(record.definition).due.next_after_us(record.watermark) is not None


def _reason(record: ScheduleRecord, reason: str) -> str:
    if record.paused_at is not None:
        return f"paused by {record.paused_by}" + (f": {record.paused_why}" if record.paused_why else "")
    return "its job was off in this environment" if is_off(record) else reason
