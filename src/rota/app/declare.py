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
from dataclasses import dataclass

from rota.app.skipped_moments import counts_from, skip_passed
from rota.model.event import Event
from rota.model.job import Job
from rota.model.policy import OF_A_JOB
from rota.model.schedule import Definition, NewSchedule, ScheduleRecord
from rota.model.settings import QueueSettings
from rota.store import Store, Transaction, queues, schedules
from rota.store import jobs as ledger_jobs


@dataclass(frozen=True, slots=True)
class Declared:
    """All that an application says. ``off``: the schedules whose job is off here."""

    owner: str
    jobs: Mapping[str, Job]
    schedules: Mapping[str, Definition]
    off: frozenset[str]
    paused: frozenset[str]
    queues: Mapping[str, QueueSettings]


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
    ledger_jobs.register(tx, [(job.name, job.queue, json.dumps(describe(job))) for job in jobs.values()], now)


def describe(job: Job) -> dict[str, object]:
    """A job's policies as plain data."""
    policies = {name: each.plain(getattr(job, name)) for name, each in OF_A_JOB.items() if hasattr(job, name)}
    return {"description": job.description, "attempts": job.retry.attempts, **policies, "async": job.is_async}


def _set_queues(tx: Transaction, declared: Declared) -> None:
    names = {job.queue for job in declared.jobs.values()} | set(declared.queues)
    queues.ensure(tx, names)
    for name, each in declared.queues.items():
        queues.limit(tx, name, each.concurrency, each.rate)


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
    new = NewSchedule(
        name=name,
        job=definition.job,
        definition=text,
        declared=text,
        owner=declared.owner,
        watermark=now,
        next_due_at=next_at,
        created_at=now,
    )
    if not schedules.insert(tx, [new]):  # a person's, or another application's
        return [_event("schedule.kept", name, now, why="a schedule of this name is there already", code=text)]
    if name in declared.paused:
        schedules.pause(tx, name, now, by="settings", why="paused in the settings")
    return []


def _event(kind: str, schedule: str, now: int, **data: object) -> Event:
    return Event(at=now, kind=kind, subject=f"schedule:{schedule}", data=data)
