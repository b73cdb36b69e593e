"""Fires what is due: one transaction judges the moments, makes the runs and advances the watermark.

There is no leader. Every node tries; the schedule's row is locked while it is judged, the fire's unique key is the proof
that no moment is judged twice, and the watermark, which never goes back, is the proof that outlives the fire's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from rota.cron import Trigger, trigger_from_data
from rota.engine.enqueue import Ask, Enqueuer, insert_all
from rota.engine.events import Listeners
from rota.engine.planner import Moments, Plan, plan
from rota.model.event import Event
from rota.model.fire import FireKind, Verdict
from rota.model.job import Job
from rota.model.run import NewRun, RunState
from rota.model.schedule import Definition
from rota.store import Store, Transaction, events
from rota.store.database import Row

AT_ONCE = 500
LONGEST_WAIT = 1.0


@dataclass(slots=True)
class _Due:
    """A due schedule in the course of one tick."""

    name: str
    definition: Definition
    plan: Plan
    job: Job
    limit_key: str | None = None
    limit_count: int | None = None


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
            row = tx.one("schedules.next_due")
        next_at = row[0] if row else None
        if next_at is None or next_at > now:
            wait = LONGEST_WAIT if next_at is None else (next_at - now) / 1_000_000
            self.interval = max(0.0005, min(LONGEST_WAIT, wait))
            return False
        with self._store.write() as tx:
            locked = tx.rows("schedules.due", [(name,) for name in self._enqueuer.jobs], now=now, limit=AT_ONCE)
            told = self._fire(tx, [self._judge(row, now) for row in locked], now)
        self._listeners.tell(told)
        self.interval = 0.05
        return len(locked) == AT_ONCE

    def _judge(self, row: Row, now: int) -> _Due:
        name, job_name, text, watermark, _ = row
        definition, trigger = parsed(text)
        job = self._enqueuer.job(job_name)
        return _Due(name, definition, plan(definition, trigger, watermark, now), job)

    def _fire(self, tx: Transaction, due: list[_Due], now: int) -> list[Event]:
        if not due:
            return []
        for each in due:
            each.limit_key, each.limit_count = limits(each.name, each.definition, each.job)
        judged = self._meet_overlap(tx, due, now)
        fired = self._record(tx, judged, now)
        made = [self._run(each, moments.first, fired[each.name, moments.first], now)
                for each, moments in judged
                if moments.verdict is Verdict.FIRED and (each.name, moments.first) in fired]  # fmt: skip
        insert_all(tx, made)
        tx.rows("schedules.advance", [(each.name, each.plan.watermark, each.plan.next_due_at) for each in due])
        told = [event for each, moments in judged if (event := _event(each.name, moments, now))]
        events.record(tx, told)
        if any(run.state is RunState.AVAILABLE for run in made):
            tx.announce()
        return told

    def _meet_overlap(self, tx: Transaction, due: list[_Due], now: int) -> list[tuple[_Due, Moments]]:
        """Apply the overlap policies, by what is active under each key before this tick."""
        keys = {each.limit_key for each in due if each.limit_key is not None}
        active = _active(tx, keys) if keys else {}
        judged: list[tuple[_Due, Moments]] = []
        for each in due:
            busy = active.get(each.limit_key or "", {})
            for moments in each.plan.moments:
                judged.append((each, _overlap(each, moments, busy) if moments.verdict is Verdict.FIRED else moments))
            if each.definition.overlap == "cancel_running" and busy and each.plan.moments:
                self._cancel_active(tx, each, now)
        return judged

    def _cancel_active(self, tx: Transaction, due: _Due, now: int) -> None:
        by = f"schedule {due.name} (overlap)"
        tx.run("runs.request_cancel_by_key", key=due.limit_key, now=now, by=by)
        tx.run("runs.cancel_waiting_by_key", key=due.limit_key, now=now, reason=f"cancelled by {by}")

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
        return fired_run(self._enqueuer, due.name, due.definition, due.job, moment, fire_id, now)


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


def _active(tx: Transaction, keys: set[str]) -> Mapping[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for key, state, count, _ in tx.rows("runs.active_by_key", [(key,) for key in keys]):
        found.setdefault(key, {})[state] = count
    return found


def _overlap(due: _Due, moments: Moments, busy: dict[str, int]) -> Moments:
    """The verdict on a moment that is to fire, given what is active under its key."""
    running = busy.get(RunState.RUNNING, 0)
    waiting = sum(busy.values()) - running
    match due.definition.overlap:
        case "skip" if running + waiting >= (due.limit_count or 1):
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
