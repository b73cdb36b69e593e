"""Fires what is due: one transaction judges the moments, makes the runs and advances the watermark.

There is no leader. Every node tries; the schedule's row is locked while it is judged, the fire's unique key is proof
that no moment is judged twice, and the watermark, which never goes back, is the proof that outlives the fire's row.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rota.engine.apart import OUTAGE, each_apart
from rota.engine.definition import fired_run, limit_key
from rota.engine.enqueue import Enqueuer, insert_all
from rota.engine.hosts import Living
from rota.engine.identity import NodeIdentity
from rota.engine.overlap import Due, meet_overlap
from rota.engine.planner import Moments, plan
from rota.engine.unable import AGAIN_US, Unable
from rota.errors import RotaError
from rota.model.event import Event
from rota.model.fire import FireKind, NewFire, Verdict
from rota.model.job import Job
from rota.model.payload import storable
from rota.model.run import NewRun, RunState
from rota.model.schedule import Definition, DueSchedule
from rota.store import Store, Transaction, fires, releases, schedules
from rota.store.database import WorkKind

logger = logging.getLogger("rota.engine")
AT_ONCE = 2_000
LONGEST_WAIT = 1.0
LONGEST_WHY = 500
_BREAKING = (RotaError, ValueError, TypeError, KeyError)
"""What comes of a schedule that does not fit the code any more, or that newer code wrote."""


class _BrokenError(Exception):
    """One schedule, of which no run can be made here, stands in the way of all others in its tick."""

    def __init__(self, schedule: str, job: str, why: str) -> None:
        super().__init__(why)
        self.schedule = schedule
        self.job = job
        self.why = why


class Scheduler:
    """The duty that turns due moments into fires and runs."""

    name = "scheduler"

    def __init__(self, store: Store, enqueuer: Enqueuer, identity: NodeIdentity) -> None:
        self.interval = LONGEST_WAIT
        self.unable = Unable()
        self._store = store
        self._enqueuer = enqueuer
        self._identity = identity

    def tick(self) -> bool:
        """1. Is anything due? 2. Lock some of it, and judge. 3. Record, make runs, advance. 4. Tell."""
        now = self._store.now_us()
        with self._store.read() as tx:
            next_at = schedules.next_due(tx, self._identity.owner, self.unable.names(now), now)
        if next_at is None or next_at > now:
            wait = LONGEST_WAIT if next_at is None else (next_at - now) / 1_000_000
            self.interval = max(0.0005, min(LONGEST_WAIT, wait))
            return False
        self.interval = 0.05
        return self._fire_due(now)

    def _fire_due(self, now: int) -> bool:
        names: list[str] = []

        def lock(tx: Transaction) -> list[DueSchedule]:
            due = schedules.due(tx, self._identity.owner, self.unable.names(now), now, AT_ONCE)
            names[:] = [each.name for each in due]
            return due

        try:
            self._judge_all(lock, now)
        except OUTAGE:
            raise
        except Exception as error:
            if not names:
                raise
            self._fire_apart(names, error, now)
        return len(names) == AT_ONCE

    def _fire_apart(self, names: Sequence[str], error: Exception, now: int) -> None:
        """All together failed: find the ones that make them fail, and set those aside."""
        failed: dict[str, Exception] = {}
        logger.debug("%d schedules failed together: %s", len(names), error)
        each_apart(
            names,
            lambda some: self._judge_all(lambda tx: schedules.due_among(tx, some, now), now),
            lambda name, why: failed.update({name: why}),
        )
        if len(failed) == len(names) > 1:  # that is no schedule's fault
            raise error
        for name, why in failed.items():
            self._set_aside(name, why, now)

    def _set_aside(self, name: str, error: Exception, now: int) -> None:
        why = storable(f"{type(error).__name__}: {error}")[:LONGEST_WHY]
        with self._store.write() as tx:
            before = schedules.get(tx, name)
            schedules.set_aside(tx, name, now + AGAIN_US, why)
            if before is not None and before.aside_why != why:
                data = {"name": name, "job": before.job, "why": why}
                tx.events.append(Event(at=now, kind="schedule.set_aside", subject=f"schedule:{name}", data=data))

    def _judge_all(self, lock: Callable[[Transaction], list[DueSchedule]], now: int) -> None:
        broken: dict[str, str] = {}
        while True:
            try:
                with self._store.write() as tx:
                    self._fire(tx, [due for each in lock(tx) if (due := self._judge(each, now, broken))], now)
            except _BrokenError as error:  # all was rolled back: once more, without that one
                self._set_apart(error, broken, now)
            else:
                return

    def _set_apart(self, error: _BrokenError, broken: dict[str, str], now: int) -> None:
        """Where another release is at work that knows the job, its nodes may make the run; else nobody can."""
        with self._store.read() as tx:
            others = releases.knowing(tx, error.job) - {self._identity.release_id}
        if others:
            self.unable.add(error.schedule, error.why, now)
        else:
            logger.warning("schedule %s: %s", error.schedule, error.why)
            broken[error.schedule] = error.why

    def _judge(self, schedule: DueSchedule, now: int, broken: Mapping[str, str]) -> Due | None:
        """``None``: this node cannot. Its moments stay unjudged until somebody comes who can."""
        name = schedule.name
        job = self._enqueuer.jobs.get(schedule.job)
        if job is None:
            self.unable.add(name, None, now)
            return None
        try:
            definition = Definition.from_json(schedule.definition)
            judged = plan(definition, schedule.watermark, now)
        except _BREAKING as error:
            self.unable.add(name, f"it cannot be read: {error}", now)
            return None
        self.unable.forget(name)
        key = self._limit_key(schedule, definition, job) if name not in broken else None
        reason = broken.get(name) or _off(job, self._enqueuer.environment)
        if reason:
            judged = replace(judged, moments=[_skipped(moments, reason) for moments in judged.moments])
        return Due(name, definition, judged, job, key)

    @staticmethod
    def _limit_key(schedule: DueSchedule, definition: Definition, job: Job) -> str | None:
        try:
            return limit_key(schedule.name, definition, job)
        except _BREAKING as error:
            raise _BrokenError(schedule.name, job.name, f"no run can be made: {error}") from error

    def _fire(self, tx: Transaction, due: list[Due], now: int) -> None:
        if not due:
            return
        living = Living(tx, now)
        for each in due:
            if each.definition.each is not None:
                each.hosts = living.that_do(each.queue, each.job.name)
        judged, events = meet_overlap(tx, due, now)
        fired = self._record(tx, judged, now)
        made = [self._run(each, moments.first, host, fired[each.name, moments.first], now)
                for each, moments in judged
                if moments.verdict is Verdict.FIRED and (each.name, moments.first) in fired
                for host in moments.hosts]  # fmt: skip
        insert_all(tx, made)
        schedules.advance(tx, [(each.name, each.plan.watermark, each.plan.next_due_at) for each in due])
        tx.events += events
        tx.events += [event for each, moments in judged if (event := _event(each.name, moments, now))]
        work = Counter(WorkKind(run.queue, run.job, run.host) for run in made if run.state is RunState.AVAILABLE)
        if work:
            tx.announce(work)

    def _record(self, tx: Transaction, judged: list[tuple[Due, Moments]], now: int) -> dict[tuple[str, int], int]:
        """Write the verdicts; returns the ids of the fires that are new, by schedule and moment."""
        verdicts = [
            NewFire(
                schedule=each.name,
                due_at=m.first,
                kind=FireKind.DUE,
                verdict=m.verdict,
                reason=m.reason,
                through_at=m.last if m.count != 1 else None,
                moments=m.count,
            )
            for each, m in judged
        ]
        return fires.add(tx, verdicts, now, self._identity.id)

    def _run(self, due: Due, moment: int, host: str, fire_id: int, now: int) -> NewRun:
        try:
            key = due.limit_key_on(host)
            return fired_run(self._enqueuer, due.name, due.definition, due.job, key, moment, fire_id, now, host)
        except _BREAKING as error:
            raise _BrokenError(due.name, due.job.name, f"no run can be made: {error}") from error


def _off(job: Job, environment: str | None) -> str | None:
    return None if job.enabled_in(environment) else f"job {job.name} is off in the environment {environment}"


def _skipped(moments: Moments, reason: str) -> Moments:
    return replace(moments, verdict=Verdict.SKIPPED, reason=reason) if moments.verdict is Verdict.FIRED else moments


def _event(schedule: str, moments: Moments, now: int) -> Event | None:
    kinds = {Verdict.SKIPPED: "fire.skipped", Verdict.MISSED: "fire.missed"}
    kind = kinds.get(moments.verdict)
    if kind is None:
        return None
    data = {
        "due_at": moments.first,
        "through_at": moments.last,
        "moments": moments.count,
        "reason": moments.reason,
    }
    return Event(at=now, kind=kind, subject=f"schedule:{schedule}", data=data)
