"""Brings the ledger's jobs, queues and schedules in line with what the code and the settings say.

For each schedule of the code, one of::

    not in the ledger                       it is added, due from now on
    the code says what it said last time    nothing to do, whatever a person made of it since
    the code says something new             it takes effect ...
      ... and a person has edited it        ... the person's stands, and an event says so; `rota schedule reset` takes
                                            the code's
    gone from the code                      it is removed; its fires stay
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rota.app.skipped_moments import counts_from, skip_passed
from rota.model.event import Event
from rota.model.job import Job
from rota.model.retry import Retry
from rota.model.schedule import Definition, ScheduleRecord
from rota.store import Store, Transaction, schedules

WAITS_TOLD = 10


@dataclass(frozen=True, slots=True)
class Declared:
    """All that an application says. ``off``: the schedules whose job is off here; ``queues``: concurrency and rate."""

    owner: str
    jobs: Mapping[str, Job]
    schedules: Mapping[str, Definition]
    off: frozenset[str]
    paused: frozenset[str]
    queues: Mapping[str, tuple[int | None, str | None]]


def declare(store: Store, declared: Declared) -> list[Event]:
    """Write it down, as one transaction; returns what people should know."""
    now = store.now_us()
    with store.write() as tx:
        _register_jobs(tx, declared.jobs, now)
        _set_queues(tx, declared)
        known = {record.name: record for record in schedules.declared_by(tx, declared.owner)}
        told: list[Event] = []
        for name, definition in declared.schedules.items():
            record = known.pop(name, None)
            told += _declare_one(tx, declared, name, definition, record, now)
        for record in known.values():
            if record.removed_at is None:
                skip_passed(tx, record, now, "gone from the code")
                schedules.remove(tx, record.name, now)
                told.append(_event("schedule.removed", record.name, now, why="gone from the code"))
        tx.told += told
    store.wake_time()
    return told


def _register_jobs(tx: Transaction, jobs: Mapping[str, Job], now: int) -> None:
    rows = [(job.name, job.queue, json.dumps(describe(job))) for job in jobs.values()]
    if rows:
        tx.rows("jobs.register", rows, now=now)


def describe(job: Job) -> dict[str, object]:
    """A job's policies as plain data."""
    return {
        "description": job.description,
        "queue": job.queue,
        "priority": job.priority,
        "attempts": job.retry.attempts,
        "retry": _waits(job.retry),
        "timeout": job.timeout,
        "overlap": job.overlap,
        "concurrency": job.concurrency,
        "concurrency_key": job.concurrency_key is not None,
        "rate": f"{job.rate.count}/{job.rate.period_us // 1_000_000}s" if job.rate else None,
        "environments": sorted(job.environments) if job.environments is not None else None,
        "destructive": job.destructive,
        "sends": job.sends,
        "async": job.is_async,
    }


def _waits(retry: Retry) -> dict[str, object]:
    """The first waits before another attempt, in seconds, and by what share each of them is spread."""
    exact = replace(retry, jitter=0.0)
    waits = [round(exact.delay(failures), 3) for failures in range(1, min(retry.attempts, WAITS_TOLD + 1))]
    return {"waits": waits, "jitter": 0.0 if retry.delays else retry.jitter}


def _set_queues(tx: Transaction, declared: Declared) -> None:
    names = {job.queue for job in declared.jobs.values()} | set(declared.queues)
    tx.rows("queues.ensure", [(name,) for name in sorted(names)])
    for name, (concurrency, rate) in declared.queues.items():
        tx.run("queues.limit", name=name, concurrency=concurrency, rate=rate)


def _declare_one(
    tx: Transaction, declared: Declared, name: str, definition: Definition, record: ScheduleRecord | None, now: int
) -> list[Event]:
    text = definition.to_json()
    if record is None:
        return _add(tx, declared, name, definition, text, now)
    off = name in declared.off
    edited, back = record.edited_at is not None, record.removed_at is not None
    if edited and (back or record.declared != text):
        in_force = _in_force(record.definition, now, off) if back else {}
        schedules.change(tx, record, declared=text, **in_force)
        return [_event("schedule.kept", name, now, edited_by=record.edited_by, code=text)]
    if back or record.declared != text:
        since = now if back else counts_from(tx, record, definition, now, "changed by the code")
        in_force = _in_force(text, max(record.watermark, since), off)
        schedules.change(tx, record, edit=None, declared=text, **in_force)
    else:
        _switch(tx, record, off, now)
    return []


def _in_force(definition: str, mark: int, off: bool) -> dict[str, object]:
    """A definition that counts from ``mark`` on."""
    next_at = None if off else Definition.from_json(definition).trigger.next_after_us(mark)
    return {"definition": definition, "watermark": mark, "next_due_at": next_at}


def _switch(tx: Transaction, record: ScheduleRecord, off: bool, now: int) -> None:
    """A schedule whose job is off in this environment has no next moment; on again, it counts from now."""
    if off and record.next_due_at is not None:
        schedules.change(tx, record, next_due_at=None)
    elif not off and record.next_due_at is None and record.paused_at is None:
        trigger = Definition.from_json(record.definition).trigger
        next_at = trigger.next_after_us(record.watermark)
        if next_at is not None:
            skip_passed(tx, record, now, "")
            mark = max(record.watermark, now) if next_at < now else record.watermark
            schedules.change(tx, record, watermark=mark, next_due_at=trigger.next_after_us(mark))


def _add(tx: Transaction, declared: Declared, name: str, definition: Definition, text: str, now: int) -> list[Event]:
    next_at = None if name in declared.off else definition.trigger.next_after_us(now)
    added = schedules.insert(
        tx,
        name=name,
        definition=text,
        job=definition.job,
        declared=text,
        owner=declared.owner,
        now=now,
        next_due_at=next_at,
    )
    if not added:  # a person's, or another application's
        return [_event("schedule.kept", name, now, why="a schedule of this name is there already", code=text)]
    if name in declared.paused:
        schedules.pause(tx, name, now, by="settings", why="paused in the settings")
    return []


def _event(kind: str, schedule: str, now: int, **data: object) -> Event:
    return Event(at=now, kind=kind, subject=f"schedule:{schedule}", data=data)
