"""The runs that a schedule has made and that have not begun: they wait while it is paused, and go when it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from rota.engine.planner import given_up
from rota.model.event import Event, run_event
from rota.model.schedule import Definition, ScheduleRecord
from rota.store import Transaction, batches, runs, schedules


def hold(tx: Transaction, schedule: str, now: int) -> None:
    """None of them starts. What a person asked for does, and so does what runs."""
    schedules.hold_runs(tx, schedule, now)


def resume(tx: Transaction, record: ScheduleRecord, now: int) -> None:
    """They go on as the policies of catching up say of moments that are late; the others are given up."""
    held = schedules.held_runs(tx, record.name)
    reasons = given_up(Definition.from_json(record.definition), held, now)
    ids = [run.id for run in held]
    for reason in sorted(set(reasons.values())):
        dropped = [run for run in ids if reasons.get(run) == reason]
        batch_ids = schedules.give_up_runs(tx, dropped, now, f"its schedule was paused meanwhile: {reason}")
        tell_cancelled(tx, batch_ids, record.job, f"schedule:{record.name}", now)
    schedules.release_runs(tx, record.name)
    if held:
        tx.announce()


def cancel(tx: Transaction, record: ScheduleRecord, now: int, reason: str) -> None:
    cancelled = runs.cancel_waiting_by_schedule(tx, record.name, now, reason)
    tell_cancelled(tx, cancelled, record.job, f"schedule:{record.name}", now)


def tell_cancelled(tx: Transaction, cancelled: Mapping[int, int | None], job: str, by: str, now: int) -> None:
    """``cancelled``: the runs, each with its batch, where it is to be counted."""
    batches.count(tx, by_batch(cancelled.values()))
    tx.events += [_cancelled(run_id, job, by, now) for run_id in cancelled]


def _cancelled(run_id: int, job: str, by: str, now: int) -> Event:
    return run_event("run.cancelled", run_id, now, data={"job": job, "by": by})


def by_batch(batch_ids: Iterable[int | None]) -> dict[int, Counter[str]]:
    """Cancelled runs, as the counts of batches take them."""
    found: dict[int, Counter[str]] = {}
    for batch_id in batch_ids:
        if batch_id is not None:
            found.setdefault(batch_id, Counter())["cancelled"] += 1
    return found
