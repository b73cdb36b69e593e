"""Fires what is due: one transaction judges the moments, makes the runs and advances the watermark.

There is no leader. Every node tries; the schedule's row is locked while it is judged, the fire's unique key is proof
that no moment is judged twice, and the watermark, which never goes back, is the proof that outlives the fire's row.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from rota.cron import Trigger, trigger_from_data
from rota.engine.enqueue import Ask, Enqueuer, insert_all
from rota.engine.events import Listeners
from rota.engine.planner import Moments, Plan, plan
from rota.errors import RotaError
from rota.model.event import Event
from rota.model.fire import FireKind, Verdict
from rota.model.job import Job
from rota.model.run import NewRun, RunState
from rota.model.schedule import Definition
from rota.store import Store, Transaction, events, runs
from rota.store.database import Row

logger = logging.getLogger("rota.engine")
AT_ONCE = 2_000
LONGEST_WAIT = 1.0
UNREADABLE_AGAIN_US = 60_000_000
UNREADABLE = Definition(job="", trigger={})
_BREAKING = (RotaError, ValueError, TypeError, KeyError)
"""What comes of a schedule that does not fit the code any more, or that newer code wrote."""


@dataclass(slots=True)
class _Due:
    """A due schedule in the course of one tick."""

    name: str
    definition: Definition
    plan: Plan
    job: Job
    limit_key: str | None = None
    limit_count: int | None = None

    @property
    def overlap_among(self) -> tuple[str, str]:
        """Whose runs its own must not overlap: those under its limit's key, or those of the schedule alone.

        A schedule made beside a job's own shares the job's concurrency with others: that they are busy is no overlap.
        """
        if self.job.concurrency is not None and self.name != self.job.name and self.job.concurrency_key is None:
            return "schedule", self.name
        return "key", self.limit_key or ""

    @property
    def overlap_limit(self) -> int:
        return 1 if self.overlap_among[0] == "schedule" else self.limit_count or 1


class _BrokenError(Exception):
    """One schedule stands in the way of all others in its tick."""

    def __init__(self, schedule: str, why: str) -> None:
        super().__init__(why)
        self.schedule = schedule
        self.why = why


class Scheduler:
    """The duty that turns due moments into fires and runs."""

    name = "scheduler"

    def __init__(self, store: Store, enqueuer: Enqueuer, listeners: Listeners, node_id: object) -> None:
        self.interval = LONGEST_WAIT
        self._store = store
        self._enqueuer = enqueuer
        self._listeners = listeners
        self._identity = node_id

    def tick(self) -> bool:
        """1. Is anything due? 2. Lock some of it, and judge. 3. Record, make runs, advance. 4. Tell."""
        now = self._store.now_us()
        with self._store.read() as tx:
            [[next_at]] = tx.rows("schedules.next_due_of", [(name,) for name in self._enqueuer.jobs])
        if next_at is None or next_at > now:
            wait = LONGEST_WAIT if next_at is None else (next_at - now) / 1_000_000
            self.interval = max(0.0005, min(LONGEST_WAIT, wait))
            return False
        broken: dict[str, str] = {}
        while True:
            try:
                return self._fire_due(now, broken)
            except _BrokenError as error:  # all was rolled back: once more, without that one
                logger.warning("schedule %s: %s", error.schedule, error.why)
                broken[error.schedule] = error.why

    def _fire_due(self, now: int, broken: Mapping[str, str]) -> bool:
        with self._store.write() as tx:
            locked = tx.rows("schedules.due", [(name,) for name in self._enqueuer.jobs], now=now, limit=AT_ONCE)
            told = self._fire(tx, [self._judge(row, now, broken) for row in locked], now)
        self._listeners.tell(told)
        self.interval = 0.05
        return len(locked) == AT_ONCE

    def _judge(self, row: Row, now: int, broken: Mapping[str, str]) -> _Due:
        name, job_name, text, watermark, _ = row
        job = self._enqueuer.job(job_name)
        try:
            definition, trigger = parsed(text)
            judged = plan(definition, trigger, watermark, now)
            key, count = (None, None) if name in broken else limits(name, definition, job)
        except _BREAKING as error:
            if name not in broken:
                raise _BrokenError(name, f"it cannot be read: {error}") from error
            # Its moments stay unjudged until somebody who can read it comes: it is only looked at more rarely.
            return _Due(name, UNREADABLE, Plan([], watermark, now + UNREADABLE_AGAIN_US), job)
        reason = broken.get(name) or _off(job, self._enqueuer.environment)
        if reason:
            judged = replace(judged, moments=[_skipped(moments, reason) for moments in judged.moments])
        return _Due(name, definition, judged, job, key, count)

    def _fire(self, tx: Transaction, due: list[_Due], now: int) -> list[Event]:
        if not due:
            return []
        judged, told = self._meet_overlap(tx, due, now)
        fired = self._record(tx, judged, now)
        made = [self._run(each, moments.first, fired[each.name, moments.first], now)
                for each, moments in judged
                if moments.verdict is Verdict.FIRED and (each.name, moments.first) in fired]  # fmt: skip
        insert_all(tx, made)
        tx.rows("schedules.advance", [(each.name, each.plan.watermark, each.plan.next_due_at) for each in due])
        told += [event for each, moments in judged if (event := _event(each.name, moments, now))]
        events.record(tx, told)
        if any(run.state is RunState.AVAILABLE for run in made):
            tx.announce()
        return told

    def _meet_overlap(
        self, tx: Transaction, due: list[_Due], now: int
    ) -> tuple[list[tuple[_Due, Moments]], list[Event]]:
        """Apply the overlap policies, by what is active under each key before this tick."""
        active = {by: _active(tx, by, due) for by in ("key", "schedule")}
        judged: list[tuple[_Due, Moments]] = []
        told: list[Event] = []
        for each in due:
            by, name = each.overlap_among
            busy = active[by].get(name, {})
            judged += [(each, _overlap(each, moments, busy)) for moments in each.plan.moments]
            fires = any(moments.verdict is Verdict.FIRED for moments in each.plan.moments)
            if each.definition.overlap == "cancel_running" and busy and fires:
                told += _cancel_active(tx, each, now)
        return judged, told

    def _record(self, tx: Transaction, judged: list[tuple[_Due, Moments]], now: int) -> dict[tuple[str, int], int]:
        """Write the verdicts; returns the ids of the fires that are new, by schedule and moment."""
        rows = [
            (each.name, m.first, FireKind.DUE, m.verdict, m.reason, m.last if m.count != 1 else None, m.count)
            for each, m in judged
        ]
        if not rows:
            return {}
        node = getattr(self._identity, "id", None)
        return {(name, due_at): fire for fire, name, due_at in tx.rows("fires.record", rows, now=now, node=node)}

    def _run(self, due: _Due, moment: int, fire_id: int, now: int) -> NewRun:
        try:
            return fired_run(self._enqueuer, due.name, due.definition, due.job, moment, fire_id, now)
        except _BREAKING as error:
            raise _BrokenError(due.name, f"no run can be made: {error}") from error


def _cancel_active(tx: Transaction, due: _Due, now: int) -> list[Event]:
    by = f"schedule {due.name} (overlap)"
    among, key = due.overlap_among
    running = tx.all(f"runs.request_cancel_by_{among}", key=key, now=now, by=by)
    waiting = tx.all(f"runs.cancel_waiting_by_{among}", key=key, now=now, reason=f"cancelled by {by}")
    runs.count_batches(tx, _cancelled_by_batch(waiting))
    asked = [("run.cancel_requested", row[0]) for row in running] + [("run.cancelled", row[0]) for row in waiting]
    return [
        Event(at=now, kind=kind, subject=f"run:{run_id}", run_id=run_id, data={"job": due.job.name, "by": by})
        for kind, run_id in asked
    ]


def _cancelled_by_batch(rows: list[Row]) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = {}
    for _, batch_id in rows:
        if batch_id is not None:
            found.setdefault(batch_id, Counter())["cancelled"] += 1
    return found


def _off(job: Job, environment: str | None) -> str | None:
    return None if job.enabled_in(environment) else f"job {job.name} is off in the environment {environment}"


def _skipped(moments: Moments, reason: str) -> Moments:
    return replace(moments, verdict=Verdict.SKIPPED, reason=reason) if moments.verdict is Verdict.FIRED else moments


def fired_run(
    enqueuer: Enqueuer, schedule: str, definition: Definition, job: Job, moment: int, fire_id: int, now: int
) -> NewRun:
    """The run of a fire."""
    ask = Ask(
        due_at=moment + definition.jitter_us(schedule, moment),
        queue=definition.queue,
        priority=definition.priority,
        by=f"schedule:{schedule}",
        limit=limits(schedule, definition, job),
        schedule=schedule,
        fire_id=fire_id,
        fire_due_at=moment,
    )
    return enqueuer.new_run(job, definition.arguments, now, ask)


def limits(schedule: str, definition: Definition, job: Job) -> tuple[str | None, int | None]:
    """What the runs of a schedule are counted under: the job's own limit, else one of the schedule's."""
    key, count = job.limit(definition.arguments)
    if key is None and definition.overlap != "allow":
        return f"schedule:{schedule}", 1
    return key, count


@lru_cache(maxsize=16_384)
def parsed(text: str) -> tuple[Definition, Trigger]:
    definition = Definition.from_json(text)
    return definition, trigger_from_data(definition.trigger)


def _active(tx: Transaction, by: str, due: list[_Due]) -> Mapping[str, dict[str, int]]:
    names = {name for each in due for among, name in [each.overlap_among] if among == by and name}
    found: dict[str, dict[str, int]] = {}
    if names:
        for name, state, count, _ in tx.rows(f"runs.active_by_{by}", [(name,) for name in names]):
            found.setdefault(name, {})[state] = count
    return found


def _overlap(due: _Due, moments: Moments, busy: dict[str, int]) -> Moments:
    """The verdict on a moment, given what is active among the runs that it must not overlap."""
    if moments.verdict is not Verdict.FIRED:
        return moments
    running = busy.get(RunState.RUNNING, 0)
    waiting = sum(busy.values()) - running
    match due.definition.overlap:
        case "skip" if running + waiting >= due.overlap_limit:
            return replace(moments, verdict=Verdict.SKIPPED, reason="overlap: an earlier run is not over")
        case "queue_one" if waiting >= 1:
            return replace(moments, verdict=Verdict.SKIPPED, reason="overlap: one is waiting already")
    return moments


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
