"""Why a run is where it is: what it waits for, who has it, or how it ended; and where its time went."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Any

from rota.app.counters import Counters, Figures
from rota.app.lateness import CAUSES, Attempted, Lateness, Waits, lateness
from rota.app.nodes import NodeState, NodeStatus
from rota.app.nodes import survey as survey_nodes
from rota.app.overrun import GRACE_US, timeout_us
from rota.app.way import Way
from rota.app.why import Fact, Why, fact
from rota.app.words import SECOND, Words, by_whom, span
from rota.errors import NotFoundError
from rota.model.event import Event
from rota.model.fire import FireKind, FireRecord
from rota.model.run import AttemptRecord, RunRecord, RunState
from rota.store import Store, Transaction, attempts, events, fires, jobs, runs

LATE_US = 1 * SECOND
"""Up to here a start is on time."""


def why_run(store: Store, run_id: int, zone: tzinfo | None = UTC) -> Why:
    """Raises ``NotFoundError``. Moments are told in ``zone``; ``None``: this machine's own."""
    now = store.now_us()
    figures = Counters(store)
    with store.read() as tx:
        record = runs.get(tx, run_id)
        if record is None:
            raise NotFoundError(f"there is no run {run_id}", hint="See the newest ones: rota run ls")
        case = _Case.load(tx, record, Words(now, zone))
        found = [*case.present(), *case.past()]
    if record.state == RunState.RUNNING:
        found += _usual(figures.figures(24 * 60, record.job))
    told = _VERBS[RunState(record.state)]
    return Why(
        subject=f"run:{record.id}",
        state=record.state,
        summary=f"Run {record.id} of {record.job} {told}: {found[0].text}.",
        facts=tuple(found),
    )


_VERBS = {
    RunState.SCHEDULED: "waits",
    RunState.AVAILABLE: "waits",
    RunState.RUNNING: "is running",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "was cancelled",
}


@dataclass
class _Case:
    """One run with all that the ledger says of it."""

    tx: Transaction
    record: RunRecord
    words: Words
    nodes: list[NodeStatus]
    events: list[Event]
    attempts: list[AttemptRecord]
    waits: Waits
    fire: FireRecord | None
    policies: dict[str, Any]
    """The job's, as it was last declared; empty if it never was."""

    @classmethod
    def load(cls, tx: Transaction, record: RunRecord, words: Words) -> _Case:
        job = jobs.get(tx, record.job)
        return cls(
            tx=tx,
            record=record,
            words=words,
            nodes=survey_nodes(tx, words.now),
            events=events.of_run(tx, record.id),
            attempts=attempts.of_run(tx, record.id),
            waits=Waits(record.staged_at, record.held_since, record.held_for),
            fire=fires.of_run(tx, record.id),
            policies=json.loads(job.definition) if job else {},
        )

    def present(self) -> list[Fact]:
        """What holds now, the most important thing first."""
        match self.record.state:
            case RunState.SCHEDULED:
                return self._scheduled()
            case RunState.AVAILABLE:
                return Way(self.tx, self.record, self.words, self.nodes, self.policies).facts()
            case RunState.RUNNING:
                return self._running()
            case RunState.SUCCEEDED:
                return [self._succeeded()]
            case RunState.FAILED:
                return [self._failed()]
        return [self._cancelled()]

    def past(self) -> list[Fact]:
        """How it came there."""
        return [*self._origin(), *self._crashes(), *self._failures(), *self._lateness()]

    # --- what holds now

    def _scheduled(self) -> list[Fact]:
        due_at, now = self.record.due_at, self.words.now
        if due_at <= now:
            return self._unstaged()
        when = self.words.both(due_at)
        last = self._last("run.retried", "run.snoozed", "run.retried_by_hand")
        if last is not None and last.kind == "run.retried":
            error = last.data.get("error", self.record.error)
            return [
                fact(
                    "retry",
                    f"attempt {last.data.get('attempt')} failed ({error}), and it is tried again at {when}",
                    error=error,
                    due_at=due_at,
                    failures=self.record.failures,
                    attempts=self.policies.get("attempts"),
                )
            ]
        if last is not None and last.kind == "run.snoozed":
            reason = last.data.get("reason")
            told = f"its own body put it off until {when}" + (f": {reason}" if reason else "")
            return [fact("snoozed", told, due_at=due_at, reason=reason)]
        return [self._not_due(when)]

    def _not_due(self, when: str) -> Fact:
        record = self.record
        if record.fire_due_at is not None and record.due_at > record.fire_due_at:
            shift = span(record.due_at - record.fire_due_at)
            return fact("jitter", f"its schedule's jitter shifts it by {shift}, to {when}", due_at=record.due_at)
        return fact("not_due", f"it is due at {when}", due_at=record.due_at)

    def _unstaged(self) -> list[Fact]:
        way = Way(self.tx, self.record, self.words, self.nodes, self.policies)
        due = f"it was due {self.words.both(self.record.due_at)}, and nobody has made it available yet"
        blocked = way.nobody() or way.duty("stager")
        return [*blocked, fact("not_staged", due, due_at=self.record.due_at)]

    def _running(self) -> list[Fact]:
        record = self.record
        node = next((each for each in self.nodes if each.record.id == record.node), None)
        since = self.words.both(record.started_at or self.words.now)
        found = [*self._lost_node(node), *self._overrun()]
        if record.cancel_at is not None:
            asked = f"it was asked to stop {self.words.distance(record.cancel_at)}{by_whom(record.cancel_by, None)}"
            found.append(fact("cancel_requested", f"{asked}, and its body has not ended yet", by=record.cancel_by))
        told = f"attempt {record.attempt} is on node {record.node} since {since}{self._progress()}"
        return [*found, fact("running", told, node=record.node, started_at=record.started_at)]

    def _lost_node(self, node: NodeStatus | None) -> list[Fact]:
        """A run whose node is gone waits to be brought back by another one."""
        if node is not None and node.state is NodeState.DRAINING:
            return [fact("node_draining", f"its node {node.record.id} finishes what it has, and stops")]
        if node is not None and node.alive:
            return []
        rescuer = any(each.alive for each in self.nodes)
        then = "another node brings it back within seconds" if rescuer else "no other node is alive to bring it back"
        if node is None:
            told = f"its node {self.record.node} is not among the nodes of the last hour"
        elif node.state is NodeState.LAPSED:
            told = f"the lease of its node {node.record.id} ran out {self.words.distance(node.record.lease_until)}"
        else:
            told = f"its node {node.record.id} is {node.state}"
        return [fact("node_lapsed", f"{told}; {then}", node=self.record.node, rescue=rescuer)]

    def _overrun(self) -> list[Fact]:
        """Its time is up, and its body goes on."""
        limit, started_at = timeout_us(self.policies), self.record.started_at or self.words.now
        length = self.words.now - started_at
        if limit is None or length <= limit + GRACE_US:
            return []
        told = f"it has run for {span(length)}; it was told to stop at {span(limit)}, and its body has not ended yet"
        return [fact("overrun", told, started_at=started_at, timeout=limit / SECOND)]

    def _progress(self) -> str:
        done, total = self.record.progress_done, self.record.progress_total
        if done is None:
            return ""
        return f", {done:,} of {total:,} done" if total else f", {done:,} done"

    def _succeeded(self) -> Fact:
        record = self.record
        started, finished = record.started_at or record.created_at, record.finished_at or self.words.now
        told = f"attempt {record.attempt} ended well {self.words.both(finished)}, after {span(finished - started)}"
        return fact("succeeded", told, finished_at=finished, attempt=record.attempt)

    def _failed(self) -> Fact:
        record = self.record
        when = self.words.both(record.finished_at or self.words.now)
        last = self._last("run.failed", "run.quarantined")
        if last is not None and last.kind == "run.quarantined":
            told = f"its node died while it ran, {record.crashes} times, so it may be what kills them; since {when}"
            return fact("quarantined", told, crashes=record.crashes)
        allowed = self.policies.get("attempts")
        if allowed and record.failures < allowed:
            told = f"this error is one that is never tried again: {record.error}; {when}"
            return fact("permanent", told, error=record.error)
        told = (
            f"all of its attempts failed, {record.failures} of {allowed or record.failures}; the last one {when} with "
        )
        return fact("attempts_used_up", told + (record.error or "no error told"), error=record.error)

    def _cancelled(self) -> Fact:
        record = self.record
        last = self._last("run.cancelled", "run.dismissed", "run.cancel_requested")
        by = record.cancel_by or (last.actor if last else None)
        when = self.words.both(record.finished_at or self.words.now)
        if last is not None and last.kind == "run.dismissed":
            return fact("dismissed", f"it had failed, and was closed{by_whom(by, None)} {when}", by=by)
        if by is None:
            return fact("cancelled", f"{record.error or 'nobody said why'}; {when}", by=None, reason=record.error)
        return fact("cancelled", f"{by} cancelled it {when}", by=by, reason=record.error)

    # --- how it came there

    def _origin(self) -> list[Fact]:
        record = self.record
        found = []
        if self.fire is not None and self.fire.kind != FireKind.DUE:
            moment = f" for the due moment {self.words.moment(self.fire.due_at)}"
            of_past = moment if self.fire.kind == FireKind.BACKFILL else ""
            told = f"schedule {record.schedule} was run by hand{of_past}, {self.fire.reason}"
            found.append(fact(self.fire.kind, told, schedule=record.schedule, due_at=self.fire.due_at))
        elif self.fire is not None:
            told = f"schedule {record.schedule} was due {self.words.moment(self.fire.due_at)}"
            found.append(fact("fired", told, schedule=record.schedule, due_at=self.fire.due_at))
        elif record.asked_by:
            told = f"{record.asked_by} asked for it {self.words.both(record.created_at)}"
            found.append(fact("asked", told, by=record.asked_by))
        forced = self._last("run.forced")
        if forced is not None:
            place = forced.data.get("environment")
            told = f"its job is off in the environment {place}; {forced.actor} ran it all the same"
            found.append(fact("forced", told, by=forced.actor))
        again = self._last("run.retried_by_hand")
        if again is not None:
            told = f"{again.actor} sent it back to its queue {self.words.both(again.at)}"
            found.append(fact("retried_by_hand", told, by=again.actor))
        return found

    def _crashes(self) -> list[Fact]:
        rescued = [each for each in self.events if each.kind == "run.rescued"]
        return [
            fact(
                "rescued",
                f"its node {each.data.get('node')} was lost {self.words.both(each.at)} while it ran; it came back",
                node=each.data.get("node"),
                at=each.at,
            )
            for each in rescued[-3:]
        ]

    def _failures(self) -> list[Fact]:
        failed = [each for each in self.attempts if each.outcome in {"failed", "timed_out"}]
        return [
            fact(
                "attempt_failed",
                f"attempt {each.number} {each.outcome.replace('_', ' ')} "
                f"{self.words.distance(each.finished_at or self.words.now)}: {each.error}",
                attempt=each.number,
                error=each.error,
            )
            for each in failed[-3:]
        ]

    @cached_property
    def lateness(self) -> Lateness:
        tried = [Attempted(each.started_at, each.finished_at) for each in self.attempts]
        return lateness(self.record, self.waits, self.fire, tried, self.events, self.words.now)

    def _lateness(self) -> list[Fact]:
        """Told of a run that has started, and of one that should have."""
        late = self.lateness
        if late.total < LATE_US:
            if not late.started or self.record.state in {RunState.SCHEDULED, RunState.AVAILABLE}:
                return []
            return [
                fact("on_time", f"it started {span(max(0, late.total))} after it was due", late=late.total / SECOND)
            ]
        verb = "started" if late.started else "has waited for"
        total = f"{span(late.total)}{' late' if verb == 'started' else ''}"
        parts = ", ".join(f"{span(length)} {CAUSES[cause]}" for cause, length in late.parts.items())
        held = f" ({self.waits.held_for})" if "held" in late.parts and self.waits.held_for else ""
        seconds = {cause: length / SECOND for cause, length in late.parts.items()}
        return [fact("late", f"it {verb} {total}: {parts}{held}", late=late.total / SECOND, **seconds)]

    def _last(self, *kinds: str) -> Event | None:
        return next((each for each in reversed(self.events) if each.kind in kinds), None)


def _usual(figures: Figures) -> Sequence[Fact]:
    if figures.p50 is None or figures.p95 is None:
        return []
    told = f"half of its attempts in the last day took up to {span(figures.p50 * SECOND)}, 95 % up to "
    return [fact("usual", told + span(figures.p95 * SECOND), p50=figures.p50, p95=figures.p95)]
