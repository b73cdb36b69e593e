"""Looking at schedules and changing them at run time, by hand or by the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Unpack

from rota.app.by_hand import is_forced, record_forced
from rota.app.skipped_moments import counts_from, is_off, passed
from rota.calendar import Trigger
from rota.clock import from_us, to_us
from rota.engine import waiting
from rota.engine.definition import fired_run, limit_key
from rota.engine.enqueue import CHUNK, Enqueuer, insert_all
from rota.engine.hosts import Living
from rota.errors import ConfigError, ConflictError, NotFoundError
from rota.model.arguments import check_arguments
from rota.model.edge import Count, Name, checked
from rota.model.event import Event
from rota.model.fire import FireKind, FireRecord, NewFire, Verdict
from rota.model.host import ANY_HOST
from rota.model.job import Job
from rota.model.policy import ARGUMENTS, OF_A_SCHEDULE, SchedulePolicies, read_name, read_policies
from rota.model.run import NewRun, RunState
from rota.model.schedule import Definition, NewSchedule, ScheduleRecord
from rota.store import Store, Transaction, events, fires, schedules
from rota.store.schedules import Edit

BACKFILL_MOST = 10_000


@checked
class Schedules:
    """``rota.schedules``: list, add, edit, pause, resume, remove, run now, backfill, and the fire ledger."""

    def __init__(self, store: Store, enqueuer: Enqueuer, owner: str) -> None:
        self._store = store
        self._enqueuer = enqueuer
        self._owner = owner

    def page(self, job: str | None = None, after: str | None = None, limit: Count = 200) -> list[ScheduleRecord]:
        """By name; go on with ``after`` = the last name."""
        with self._store.read() as tx:
            return schedules.page(tx, job, after, limit)

    def get(self, name: str) -> ScheduleRecord:
        """Raises ``NotFoundError``."""
        with self._store.read() as tx:
            return _found(schedules.get(tx, name), name)

    def next_fires(self, name: str, count: Count = 5) -> list[datetime]:
        """The next due moments, in the schedule's zone; none while it is paused or off."""
        record = self.get(name)
        if record.paused_at is not None or record.next_due_at is None:
            return []
        trigger = Definition.from_json(record.definition).due
        since = from_us(max(record.watermark, record.next_due_at - 1))
        return list(islice(trigger.fires(since), count))

    def fires(self, name: str, before: datetime | None = None, limit: Count = 50) -> list[FireRecord]:
        """The verdicts on its due moments, newest first."""
        self.get(name)
        with self._store.read() as tx:
            return fires.page(tx, name, to_us(before) if before else None, limit)

    def events(self, name: str, limit: Count = 20) -> list[Event]:
        with self._store.read() as tx:
            return events.of_subject(tx, f"schedule:{name}", limit)

    def add(
        self, name: Name, job: str, trigger: Trigger, *, by: str = "application", **policies: Unpack[SchedulePolicies]
    ) -> ScheduleRecord:
        """Make a schedule at run time.

        Raises:
            ConfigError: a policy is not known, or cannot be meant.
            ConflictError: there is one of this name.
            PayloadError: the job does not take these arguments.
        """
        read_name("schedule", name)
        definition = self._definition(job, trigger, _read(policies))
        now = self._store.now_us()
        with self._store.write() as tx:
            made = schedules.insert(tx, [self._new(name, definition, by, now)]) or self._revive(
                tx, name, definition, by, now
            )
            if not made:
                raise ConflictError(f"there is a schedule {name!r} already", hint="Change it: rota schedule edit")
            self._tell(tx, "schedule.added", name, by, now, definition=definition.to_json())
        self._store.wake_time()
        return self.get(name)

    def add_many(
        self,
        items: Mapping[str, Mapping[str, Any]],
        job: str,
        trigger: Trigger,
        *,
        by: str = "application",
        **policies: Unpack[SchedulePolicies],
    ) -> list[str]:
        """Make a schedule for each name, with its arguments, in one transaction; names that are taken are left out."""
        alike = _read(policies)
        now = self._store.now_us()
        new = []
        for name, arguments in items.items():
            read_name("schedule", name)
            definition = self._definition(job, trigger, {**alike, "arguments": arguments})
            new.append(self._new(name, definition, by, now))
        with self._store.write() as tx:
            added = [
                name for start in range(0, len(new), CHUNK) for name in schedules.insert(tx, new[start : start + CHUNK])
            ]
            self._tell(tx, "schedule.added", f"{len(added)} schedules of {job}", by, now)
        self._store.wake_time()
        return added

    def edit(
        self, name: str, *, by: str, trigger: Trigger | None = None, **policies: Unpack[SchedulePolicies]
    ) -> ScheduleRecord:
        """Change a schedule. A changed trigger counts from now; a redeploy does not undo it, ``reset`` does."""
        changes = _read(policies)
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _live(schedules.lock(tx, name), name)
            old = Definition.from_json(record.definition)
            definition = self._changed(old, trigger, changes)
            mark, skipped = counts_from(record, definition, now, f"changed by {by}")
            fires.add(tx, skipped, now)
            self._change(tx, record, definition, mark, Edit(now, by))
            self._tell(tx, "schedule.edited", name, by, now, before=record.definition, after=definition.to_json())
        self._store.wake_time()
        return self.get(name)

    def reset(self, name: str, *, by: str) -> ScheduleRecord:
        """Take the code's version back. Raises ``ConflictError`` if the code has none."""
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _live(schedules.lock(tx, name), name)
            if record.declared is None:
                raise ConflictError(f"schedule {name!r} is not from code", hint="Remove it: rota schedule rm")
            definition = Definition.from_json(record.declared)
            mark, skipped = counts_from(record, definition, now, f"reset by {by}")
            fires.add(tx, skipped, now)
            self._change(tx, record, definition, mark, None)
            self._tell(tx, "schedule.reset", name, by, now, before=record.definition, after=record.declared)
        self._store.wake_time()
        return self.get(name)

    def pause(self, name: str, *, by: str, why: str | None = None) -> None:
        """No moment fires, and what its moments made and has not begun does not start; what runs goes on to its end."""
        now = self._store.now_us()
        with self._store.write() as tx:
            _live(schedules.lock(tx, name), name)
            if not schedules.pause(tx, name, now, by=by, why=why):
                raise ConflictError(f"schedule {name!r} is paused already")
            waiting.hold(tx, name, now)
            self._tell(tx, "schedule.paused", name, by, now, why=why)

    def resume(self, name: str, *, by: str) -> None:
        """Go on from now: the moments that passed meanwhile are written down as skipped, and do not flood.

        Runs that waited when it was paused go on, where its policies of catching up still make up for them.
        """
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _live(schedules.lock(tx, name), name)
            if record.paused_at is None:
                raise ConflictError(f"schedule {name!r} is not paused")
            trigger = Definition.from_json(record.definition).due
            fires.add(tx, passed(record, now, ""), now)
            next_at = None if is_off(record) else trigger.next_after_us(now)
            schedules.resume(tx, name, max(now, record.watermark), next_at)
            waiting.resume(tx, record, now)
            self._tell(tx, "schedule.resumed", name, by, now)
        self._store.wake_time()

    def remove(self, name: str, *, by: str) -> None:
        """No due moment any more, and its waiting runs are cancelled; its fires stay in the ledger."""
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _live(schedules.lock(tx, name), name)
            if record.declared is not None:
                raise ConflictError(
                    f"schedule {name!r} is from code, and would come back with the next start",
                    hint=f"Pause it instead: rota schedule pause {name}",
                )
            fires.add(tx, passed(record, now, f"removed by {by}"), now)
            schedules.remove(tx, name, now)
            waiting.cancel(tx, record, now, f"its schedule was removed by {by}")
            self._tell(tx, "schedule.removed", name, by, now)

    def run_now(self, name: str, *, by: str, force_disabled: bool = False) -> list[int]:
        """A run as the schedule would make it, now, or one for each living host; uses up no due moment.

        Returns their ids. Raises ``ConflictError`` where its job is off, unless that is forced, and where they are for
        hosts and none lives.
        """
        return self._fire_by_hand(name, None, FireKind.MANUAL, by, force_disabled)

    def backfill(
        self, name: str, first: datetime, last: datetime, *, by: str, force_disabled: bool = False
    ) -> list[int]:
        """Runs for the due moments of a past range, both ends included, due now; ``run.as_of`` is the moment.

        With ``each="host"``, for each moment one for each host that lives now.

        A moment that was backfilled before is left out. Raises ``ConfigError`` for a range of more than 10,000, and
        ``ConflictError`` as ``run_now``.
        """
        moments = [to_us(moment) for moment in self.due_moments(name, first, last)]
        return self._fire_by_hand(name, moments, FireKind.BACKFILL, by, force_disabled) if moments else []

    def due_moments(self, name: str, first: datetime, last: datetime) -> list[datetime]:
        """The due moments of a past range, both ends included. Raises as ``backfill`` does."""
        trigger = Definition.from_json(self.get(name).definition).due
        if to_us(last) > self._store.now_us():
            raise ConfigError(
                "the range reaches into the future", hint="Backfill up to now; what comes will fire by itself."
            )
        moments = list(islice(trigger.fires(first - timedelta(microseconds=1), last), BACKFILL_MOST + 1))
        if len(moments) > BACKFILL_MOST:
            raise ConfigError(f"the range has more than {BACKFILL_MOST:,} due moments", hint="Backfill it in parts.")
        return moments

    def _fire_by_hand(self, name: str, moments: list[int] | None, kind: FireKind, by: str, force: bool) -> list[int]:
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _live(schedules.lock(tx, name), name)
            definition = Definition.from_json(record.definition)
            job = self._enqueuer.job(record.job)
            forced = is_forced(job, self._enqueuer.environment, force)
            reason = f"asked for by {by}"
            asked = [
                NewFire(schedule=name, due_at=moment, kind=kind, verdict=Verdict.FIRED, reason=reason)
                for moment in moments or [now]
            ]
            new = sorted(fires.add(tx, asked, now).items())
            keys = {
                host: limit_key(name, definition, job, host) for host in self._hosts(tx, name, definition, job, now)
            }
            made = [
                fired_run(self._enqueuer, name, definition, job, key, due_at, fire, now, host)
                for (_, due_at), fire in new
                for host, key in keys.items()
            ]
            ids = insert_all(tx, [_asked(run, kind, by, now) for run in made])
            self._tell(tx, f"schedule.{kind}", name, by, now, runs=len(ids))
            if forced:
                record_forced(tx, job, self._enqueuer.environment, ids, by, now)
            tx.announce()
        if not ids and moments is None:
            raise ConflictError(f"schedule {name!r} was run by hand in this very moment")
        return ids

    @staticmethod
    def _hosts(tx: Transaction, name: str, definition: Definition, job: Job, now: int) -> tuple[str, ...]:
        if definition.each is None:
            return (ANY_HOST,)
        queue = definition.queue or job.queue
        hosts = Living(tx, now).that_do(queue, job.name)
        if not hosts:
            told = f"schedule {name!r} has a run for each living host, and none serves the queue {queue}"
            raise ConflictError(told, hint="Start a node: rota up")
        return hosts

    def _definition(self, job: str, trigger: Trigger, policies: Mapping[str, Any]) -> Definition:
        spec = self._enqueuer.job(job)
        arguments = ARGUMENTS.check(job, "arguments", policies.get("arguments", {}))
        check_arguments(spec, arguments)
        return Definition(job=job, trigger=trigger, **{**policies, "arguments": arguments})

    def _changed(self, old: Definition, trigger: Trigger | None, policies: Mapping[str, Any]) -> Definition:
        kept = {name: getattr(old, name) for name in old.__slots__ if name not in {"job", "trigger"}}
        return self._definition(old.job, trigger or old.trigger, {**kept, **policies})

    def _change(
        self, tx: Transaction, record: ScheduleRecord, definition: Definition, mark: int, edit: Edit | None
    ) -> None:
        text = definition.to_json()
        next_at = None if is_off(record) else definition.due.next_after_us(mark)
        schedules.change(
            tx, record, definition=text, watermark=max(mark, record.watermark), next_due_at=next_at, edit=edit
        )

    def _new(self, name: str, definition: Definition, by: str, now: int) -> NewSchedule:
        return NewSchedule(
            name=name,
            job=definition.job,
            definition=definition.to_json(),
            declared=None,
            owner=self._owner,
            watermark=now,
            next_due_at=definition.due.next_after_us(now),
            created_at=now,
            edited_at=now,
            edited_by=by,
        )

    def _revive(self, tx: Transaction, name: str, definition: Definition, by: str, now: int) -> bool:
        """A schedule that was removed may be made again: its old fires, and its watermark, stay."""
        record = schedules.lock(tx, name)
        if record is None or record.removed_at is None:
            return False
        revived = replace(record, job=definition.job, declared=None, owner=self._owner)
        self._change(tx, revived, definition, now, Edit(now, by))
        return True

    @staticmethod
    def _tell(tx: Transaction, kind: str, name: str, by: str, now: int, **data: object) -> None:
        tx.events.append(Event(at=now, kind=kind, subject=f"schedule:{name}", actor=by, data=data))


def _read(policies: SchedulePolicies) -> dict[str, Any]:
    return read_policies("schedule", OF_A_SCHEDULE, policies)


def _asked(run: NewRun, kind: FireKind, by: str, now: int) -> NewRun:
    """Due now, whatever moment it stands for: neither jitter nor the past makes it wait, or count as late.

    The rules of a backfilled run go by its moment: it does what was left undone then.
    """
    as_of = run.fire_due_at if kind is FireKind.BACKFILL else None
    expires_at = None if run.expires_at is None else now + run.expires_at - run.due_at
    return run._replace(asked_by=by, due_at=now, state=RunState.AVAILABLE, as_of=as_of, expires_at=expires_at)


def _found(record: ScheduleRecord | None, name: str) -> ScheduleRecord:
    if record is None:
        raise NotFoundError(f"there is no schedule {name!r}", hint="See them all: rota schedule ls")
    return record


def _live(record: ScheduleRecord | None, name: str) -> ScheduleRecord:
    """One that can be changed: a change of a removed one would bring it back, and nobody asked for that."""
    if _found(record, name).removed_at is not None:
        raise ConflictError(f"schedule {name!r} was removed", hint="Make it again: rota schedule add")
    return _found(record, name)
