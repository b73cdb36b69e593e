"""Brings the ledger's jobs, queues and schedules in line with what the code and the settings say.

For each schedule of the code, one of::

    not in the ledger                       it is added, due from now on
    the code says what it said last time    nothing to do, whatever a person made of it since
    the code says something new             it takes effect ...
      ... and a person has edited it        ... the person's stands, and an event says so; `rota schedule reset` takes
                                            the code's
    gone from the code                      it is removed, unless a living node's code has it; its fires stay

Releases overlap. What a newer release that is alive says stands, though a process of an older one starts once more: see
docs/releases.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from rota.app.ownership import claim_names
from rota.app.said import Said, ScheduleRow
from rota.app.skipped_moments import counts_from, passed
from rota.engine import waiting
from rota.model.event import Event
from rota.model.fire import NewFire
from rota.model.release import NewRelease, Release
from rota.model.schedule import Definition, NewSchedule, ScheduleRecord
from rota.model.settings import QueueSettings
from rota.store import Store, Transaction, fires, queues, releases, schedules
from rota.store import jobs as ledger_jobs

Row = TypeVar("Row")
AT_ONCE = 2_000


def declare(store: Store, said: Said, release: NewRelease, *, alone: bool) -> list[Event]:
    """Write it down, as one transaction; returns what people should know.

    Where this release was the last one to say something, and no other has come or gone since, there is nothing to do.
    ``alone``: by a process that is no node, at least not yet.

    Raises:
        DuplicateJobError: a node of another application lives that has a job of the same name.
    """
    now = store.now_us()
    with store.write() as tx:
        events = claim_names(tx, said.owner, said.jobs, now)
        others = _Others.read(tx, release, now, alone=alone)
        _set_queues(tx, said, others)
        if not others.nothing_new:
            events += _declare_all(tx, said, release, others, now)
        tx.events += events
    store.wake_time()
    return events


def _declare_all(tx: Transaction, said: Said, release: NewRelease, others: _Others, now: int) -> list[Event]:
    _register_jobs(tx, said, others.jobs_to_leave, now)
    events = _declare_schedules(tx, said, others.schedules_to_leave, now)
    events += _remove_gone(tx, said, others.schedules_to_keep, now)
    releases.said(tx, release, now)
    if others.settles:
        releases.settle(tx, said.owner, now)
    return events


@dataclass(frozen=True, slots=True)
class _Others:
    """The other releases of the application that are alive."""

    newer: Sequence[Release]
    working: Sequence[Release]
    nothing_new: bool

    @classmethod
    def read(cls, tx: Transaction, release: NewRelease, now: int, *, alone: bool) -> _Others:
        was_gone = releases.unsettled(tx, release.owner, now, but=release.id)
        number, last = releases.declare(tx, release, now if alone else None)
        alive = [each for each in releases.living(tx, release.owner, now) if each.number != number]
        newer = [each for each in alive if each.number > number]
        return cls(newer, [each for each in alive if each.node is not None], last and not was_gone)

    @property
    def schedules_to_leave(self) -> frozenset[str]:
        """What a newer release says of them stands."""
        return frozenset().union(*(each.schedule_names for each in self.newer))

    @property
    def jobs_to_leave(self) -> frozenset[str]:
        return frozenset().union(*(each.job_names for each in self.newer))

    @property
    def schedules_to_keep(self) -> frozenset[str]:
        """Of what a process that is no node says, an older release need not be asked for leave."""
        return self.schedules_to_leave.union(*(each.schedule_names for each in self.working))

    @property
    def settles(self) -> bool:
        """Whether this is the newest release at work: what became of those that are gone is up to it."""
        return not any(each.node is not None for each in self.newer)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while some := list(islice(rows, AT_ONCE)):
        yield some


def _register_jobs(tx: Transaction, said: Said, leave: frozenset[str], now: int) -> None:
    for some in _chunks(row for row in said.job_rows() if row.name not in leave):
        ledger_jobs.register(tx, said.owner, some, now)


def _set_queues(tx: Transaction, said: Said, others: _Others) -> None:
    queues.ensure(tx, {job.queue for job in said.jobs.values()} | set(said.queues))
    limits: Mapping[str, QueueSettings] = {} if others.newer else said.queues
    for name, each in limits.items():
        queues.limit(tx, name, each.concurrency, each.rate)


@dataclass(slots=True)
class _Changes:
    """What a stretch of schedules leads to, to be written all at once."""

    added: list[NewSchedule] = field(default_factory=list)
    changed: list[ScheduleRecord] = field(default_factory=list)
    skipped: list[NewFire] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def write(self, tx: Transaction, now: int) -> None:
        schedules.insert(tx, self.added)
        schedules.write(tx, self.changed)
        fires.add(tx, self.skipped, now)


def _declare_schedules(tx: Transaction, said: Said, leave: frozenset[str], now: int) -> list[Event]:
    events: list[Event] = []
    for some in _chunks(row for row in said.schedule_rows() if row.name not in leave):
        by_name = {row.name: row for row in some}
        changes = _Changes()
        for name, record in schedules.differing(tx, said.owner, some):
            _declare_one(changes, said, by_name[name], record, now)
        changes.write(tx, now)
        events += changes.events
        for new in changes.added:
            if new.name in said.paused:
                schedules.pause(tx, new.name, now, by="settings", why="paused in the settings")
    return events


def _declare_one(changes: _Changes, said: Said, row: ScheduleRow, record: ScheduleRecord | None, now: int) -> None:
    if record is None:
        changes.added.append(_new(said, row, now))
    elif record.declared is None and record.removed_at is None:
        why = "a schedule of this name is there already"  # a person's
        changes.events.append(_event("schedule.kept", row.name, now, why=why, code=row.text))
    elif record.removed_at is not None or record.declared != row.text:
        _take_effect(changes, said, row, record, now)
    else:
        _switch(changes, replace(record, owner=said.owner), bool(row.off), now)


def _take_effect(changes: _Changes, said: Said, row: ScheduleRow, record: ScheduleRecord, now: int) -> None:
    """The code says something new; a person's edit stands over it."""
    off, back = bool(row.off), record.removed_at is not None
    new = replace(record, owner=said.owner, declared=row.text, job=said.schedules[row.name].job)
    if record.edited_at is not None and record.declared is not None:
        in_force = _in_force(record.definition, now, off) if back else {}
        changes.changed.append(replace(new, **in_force))  # type: ignore[arg-type]
        changes.events.append(_event("schedule.kept", row.name, now, edited_by=record.edited_by, code=row.text))
        return
    since = now
    if not back:
        since, fire = counts_from(record, said.schedules[row.name], now, "changed by the code")
        changes.skipped += fire
    in_force = _in_force(row.text, max(record.watermark, since), off)
    changes.changed.append(replace(new, edited_at=None, edited_by=None, **in_force))  # type: ignore[arg-type]


def _in_force(definition: str, mark: int, off: bool) -> dict[str, object]:
    """A definition that counts from ``mark`` on."""
    next_at = None if off else Definition.from_json(definition).due.next_after_us(mark)
    return {"definition": definition, "watermark": mark, "next_due_at": next_at}


def _switch(changes: _Changes, record: ScheduleRecord, off: bool, now: int) -> None:
    """A schedule whose job is off in this environment has no next moment; on again, it counts from now."""
    if off and record.next_due_at is not None:
        changes.changed.append(replace(record, next_due_at=None))
    elif not off and record.next_due_at is None and record.paused_at is None:
        trigger = Definition.from_json(record.definition).due
        next_at = trigger.next_after_us(record.watermark)
        if next_at is not None:
            changes.skipped += passed(record, now, "")
            mark = max(record.watermark, now) if next_at < now else record.watermark
            changes.changed.append(replace(record, watermark=mark, next_due_at=trigger.next_after_us(mark)))


def _new(said: Said, row: ScheduleRow, now: int) -> NewSchedule:
    definition = said.schedules[row.name]
    return NewSchedule(
        name=row.name,
        job=definition.job,
        definition=row.text,
        declared=row.text,
        owner=said.owner,
        watermark=now,
        next_due_at=None if row.off else definition.due.next_after_us(now),
        created_at=now,
    )


def _remove_gone(tx: Transaction, said: Said, keep: frozenset[str], now: int) -> list[Event]:
    gone = sorted(schedules.declared_by(tx, said.owner) - said.schedules.keys() - keep)
    for record in schedules.among(tx, gone):
        fires.add(tx, passed(record, now, "gone from the code"), now)
        schedules.remove(tx, record.name, now)
        waiting.cancel(tx, record, now, "its schedule is gone from the code")
    return [_event("schedule.removed", name, now, why="gone from the code") for name in gone]


def _event(kind: str, schedule: str, now: int, **data: object) -> Event:
    return Event(at=now, kind=kind, subject=f"schedule:{schedule}", data=data)
