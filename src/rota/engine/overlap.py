"""The overlap policies: what becomes of a moment while earlier runs of its schedule are not over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rota.engine.definition import limit_key
from rota.engine.planner import Moments, Plan
from rota.engine.waiting import by_batch
from rota.model.event import Event
from rota.model.fire import Verdict
from rota.model.host import ANY_HOST
from rota.model.job import Job
from rota.model.limit import count_under
from rota.model.run import RunState
from rota.model.schedule import Definition
from rota.store import Transaction, batches, runs


@dataclass(slots=True)
class Due:
    """A due schedule in the course of one tick."""

    name: str
    definition: Definition
    plan: Plan
    job: Job
    limit_key: str | None = None
    hosts: tuple[str, ...] = (ANY_HOST,)
    """For each of them there is to be a run."""

    @property
    def queue(self) -> str:
        return self.definition.queue or self.job.queue

    def limit_key_on(self, host: str) -> str | None:
        return self.limit_key if host == ANY_HOST else limit_key(self.name, self.definition, self.job, host)

    @property
    def overlap_among(self) -> tuple[str, str]:
        """Whose runs its own must not overlap: those under its limit's key, or those of the schedule alone.

        A schedule made beside a job's own shares the job's concurrency with others: that they are busy is no overlap.
        Nor is it where the runs are for one host each, that another host is busy.
        """
        if self.definition.each is not None:
            return "schedule", self.name
        if self.job.concurrency is not None and self.name != self.job.name and self.job.concurrency_key is None:
            return "schedule", self.name
        return "key", self.limit_key or ""

    @property
    def overlap_limit(self) -> int:
        among, key = self.overlap_among
        return 1 if among == "schedule" else count_under(key, self.job.limit_count) or 1


def meet_overlap(tx: Transaction, due: list[Due], now: int) -> tuple[list[tuple[Due, Moments]], list[Event]]:
    """Apply the overlap policies, by what is active under each key before this tick."""
    active = {by: _active(tx, by, due, now) for by in ("key", "schedule")}
    judged: list[tuple[Due, Moments]] = []
    events: list[Event] = []
    for each in due:
        by, name = each.overlap_among
        busy = {host: active[by].get((name, host), {}) for host in each.hosts}
        judged += [(each, _overlap(each, moments, busy)) for moments in each.plan.moments]
        fires = any(moments.verdict is Verdict.FIRED for moments in each.plan.moments)
        if each.definition.overlap == "cancel_running" and fires:
            events += [event for host in each.hosts if busy[host] for event in _cancel_active(tx, each, host, now)]
    return judged, events


def _active(tx: Transaction, by: str, due: list[Due], now: int) -> Mapping[tuple[str, str], dict[str, int]]:
    """How many of each state, by name and host; runs under one key are counted together, wherever they are."""
    names = {name for each in due for among, name in [each.overlap_among] if among == by and name}
    if not names:
        return {}
    if by == "schedule":
        return runs.active_by_schedule(tx, names, now)
    return {(key, ANY_HOST): states for key, states in runs.active_by_key(tx, names, now).items()}


def _overlap(due: Due, moments: Moments, busy: Mapping[str, dict[str, int]]) -> Moments:
    """The verdict on a moment, given what is active among the runs that it must not overlap, by host."""
    if moments.verdict is not Verdict.FIRED:
        return moments
    if not due.hosts:
        return replace(moments, verdict=Verdict.MISSED, reason=f"no living host serves the queue {due.queue}")
    reasons = {host: reason for host in due.hosts if (reason := _in_the_way(due, busy[host]))}
    left = tuple(host for host in due.hosts if host not in reasons)
    if not left:
        return replace(moments, verdict=Verdict.SKIPPED, reason=f"overlap: {reasons[due.hosts[0]]}")
    if not reasons:
        return replace(moments, hosts=left)
    told = "; ".join(f"{host} is left out: {reason}" for host, reason in reasons.items())
    return replace(moments, hosts=left, reason=f"overlap: {told}")


def _in_the_way(due: Due, busy: Mapping[str, int]) -> str | None:
    running = busy.get(RunState.RUNNING, 0)
    waiting = sum(busy.values()) - running
    match due.definition.overlap:
        case "skip" if running + waiting >= due.overlap_limit:
            return f"an earlier run {_what(busy)}"
        case "queue_one" if waiting >= 1:
            return "one is waiting already"
    return None


def _what(busy: Mapping[str, int]) -> str:
    return "waits for a signal" if busy.get(RunState.WAITING) else "is not over"


def _cancel_active(tx: Transaction, due: Due, host: str, now: int) -> list[Event]:
    by = f"schedule {due.name} (overlap)"
    among, key = due.overlap_among
    if among == "schedule":
        running = runs.request_cancel_by_schedule(tx, key, now, by, host)
        waiting = runs.cancel_waiting_by_schedule(tx, key, now, f"cancelled by {by}", host)
    else:
        running = runs.request_cancel_by_key(tx, key, now, by)
        waiting = runs.cancel_waiting_by_key(tx, key, now, f"cancelled by {by}")
    batches.count(tx, by_batch(waiting.values()))
    asked = [("run.cancel_requested", run_id) for run_id in running]
    asked += [("run.cancelled", run_id) for run_id in waiting]
    return [
        Event(at=now, kind=kind, subject=f"run:{run_id}", run_id=run_id, data={"job": due.job.name, "by": by})
        for kind, run_id in asked
    ]
