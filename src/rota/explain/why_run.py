"""Why a run is where it is: what it waits for, who has it, or how it ended; and where its time went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Any

from rota.engine.hold import Standing, look
from rota.errors import NotFoundError
from rota.explain import checks
from rota.explain.awaited import awaited, came
from rota.explain.expired import expired
from rota.explain.finding import Finding, Severity, finding
from rota.explain.lateness import CAUSES, Lateness, Waits, lateness
from rota.explain.mode import careful, mode_of
from rota.explain.obstacles import Obstacles
from rota.explain.overrun import Overrun, past_its_time, timeout_us
from rota.explain.rates import used_up
from rota.explain.why import Why
from rota.explain.words import SECOND, Words, by_whom, span
from rota.model.event import Event
from rota.model.figures import Figures
from rota.model.fire import FireKind, FireRecord
from rota.model.node import NodeState, NodeStatus
from rota.model.run import NODE_LOST, AttemptRecord, RunRecord, RunState
from rota.store import Store, Transaction, attempts, counters, events, fires, jobs, runs, signals
from rota.store import nodes as all_nodes

DAY_MINUTES = 24 * 60
SHOWN = 3
"""So many of the earlier attempts are told, the last ones."""
LATE_US = 1 * SECOND
"""Up to here a start is on time."""


def why_run(store: Store, run_id: int, zone: tzinfo | None = UTC) -> Why:
    """Raises ``NotFoundError``. Moments are told in ``zone``; ``None``: this machine's own."""
    now = store.now_us()
    with store.read() as tx:
        record = runs.get(tx, run_id)
        if record is None:
            raise NotFoundError(f"there is no run {run_id}", hint="See the newest ones: rota run ls")
        case = _Case.load(tx, record, Words(now, zone), look(store, tx, None))
        facts = [*case.present(), *case.past()]
        if record.state == RunState.RUNNING:
            facts += _usual(counters.figures(tx, now, DAY_MINUTES, record.job))
    verb = _VERBS[RunState(record.state)]
    return Why(
        subject=f"run:{record.id}",
        state=record.state,
        summary=f"Run {record.id} of {record.job} {verb}: {facts[0].text}.",
        facts=tuple(facts),
    )


def _waits(tx: Transaction, record: RunRecord, now: int) -> Waits:
    """What the row remembers. Of a run that a rate keeps back still, the claim will write it down."""
    since, reason = record.held_since, record.held_for
    if record.state == RunState.AVAILABLE and (note := used_up(tx, now).note(record)):
        since, reason = since or record.staged_at or record.created_at, note
    return Waits(record.staged_at, since, reason)


_VERBS = {
    RunState.SCHEDULED: "waits",
    RunState.AVAILABLE: "waits",
    RunState.RUNNING: "is running",
    RunState.WAITING: "waits",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "was cancelled",
    RunState.EXPIRED: "expired",
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
    standing: Standing

    @classmethod
    def load(cls, tx: Transaction, record: RunRecord, words: Words, standing: Standing) -> _Case:
        job = jobs.get(tx, record.job)
        return cls(
            tx=tx,
            record=record,
            words=words,
            nodes=all_nodes.survey(tx, words.now),
            events=events.of_run(tx, record.id),
            attempts=attempts.of_run(tx, record),
            waits=_waits(tx, record, words.now),
            fire=fires.of_run(tx, record.id),
            policies=json.loads(job.definition) if job else {},
            standing=standing,
        )

    def present(self) -> list[Finding]:
        """What holds now, the most important thing first."""
        match self.record.state:
            case RunState.SCHEDULED:
                waits = self._obstacles()
                return [
                    *self._held(), *waits.schedule_paused(), *waits.host_gone(), *self._scheduled(), *waits.begin_by(),
                ]  # fmt: skip
            case RunState.AVAILABLE:
                waits = self._obstacles()
                return [*self._held(), *waits.facts(), *waits.begin_by()]
            case RunState.RUNNING:
                return [*self._running(), *self._held()]
            case RunState.WAITING:
                return [awaited(self.record, self.attempts, self.words)]
            case RunState.SUCCEEDED:
                return [self._succeeded()]
            case RunState.FAILED:
                return [self._failed()]
            case RunState.EXPIRED:
                return self._expired()
        return [self._cancelled()]

    def past(self) -> list[Finding]:
        """How it came there."""
        return [
            *self._origin(),
            *careful(mode_of(self.record, self.events)),
            *self._earlier(),
            *came(signals.of_run(self.tx, self.record.id), self.words),
            *self._lateness(),
        ]

    def _obstacles(self) -> Obstacles:
        return Obstacles(self.tx, self.record, self.words, self.nodes, self.policies)

    # --- what holds now

    def _held(self) -> list[Finding]:
        return checks.held_by_all(self.standing, self.nodes)

    def _scheduled(self) -> list[Finding]:
        due_at, now = self.record.due_at, self.words.now
        if due_at <= now:
            return self._unstaged()
        when = self.words.both(due_at)
        last = self._last("run.retried", "run.snoozed", "run.retried_by_hand")
        if last is not None and last.kind == "run.retried":
            error = last.data.get("error", self.record.error)
            return [
                finding(
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
            text = f"its own body put it off until {when}" + (f": {reason}" if reason else "")
            return [finding("snoozed", text, due_at=due_at, reason=reason)]
        return [self._not_due(when)]

    def _not_due(self, when: str) -> Finding:
        record = self.record
        if record.schedule is not None and record.fire_due_at is not None and record.due_at > record.fire_due_at:
            shift = span(record.due_at - record.fire_due_at)
            return finding("jitter", f"its schedule's jitter shifts it by {shift}, to {when}", due_at=record.due_at)
        return finding("not_due", f"it is due at {when}", due_at=record.due_at)

    def _unstaged(self) -> list[Finding]:
        due = f"it was due {self.words.both(self.record.due_at)}, and nobody has made it available yet"
        blocked = checks.no_node(self.nodes, self.words) or self._obstacles().duty("stager")
        return [*blocked, finding("not_staged", due, due_at=self.record.due_at)]

    def _running(self) -> list[Finding]:
        record = self.record
        node = next((each for each in self.nodes if each.record.id == record.node), None)
        since = self.words.both(record.started_at or self.words.now)
        facts = [*self._lost_node(node), *self._overrun(), *self._blocked_loop(node)]
        if record.cancel_at is not None:
            asked = f"it was asked to stop {self.words.distance(record.cancel_at)}{by_whom(record.cancel_by, None)}"
            facts.append(finding("cancel_requested", f"{asked}, and its body has not ended yet", by=record.cancel_by))
        text = f"attempt {record.attempt} is on node {record.node} since {since}{self._progress()}"
        return [*facts, finding("running", text, node=record.node, started_at=record.started_at), *self._rests()]

    def _rests(self) -> list[Finding]:
        """A recipe that rests between two batches says so by an event, and by another one that it goes on."""
        last = self._last("recipe.held", "recipe.resumed")
        if last is None or last.kind == "recipe.resumed":
            return []
        reason = last.data.get("reason")
        return [finding("recipe_held", f"it rests between two batches: {reason}", reason=reason, since=last.at)]

    def _lost_node(self, node: NodeStatus | None) -> list[Finding]:
        """A run whose node is gone waits to be brought back by another one."""
        if node is not None and node.state is NodeState.DRAINING:
            return [finding("node_draining", f"its node {node.record.id} finishes what it has, and stops")]
        if node is not None and node.alive:
            return []
        rescuer = any(each.alive for each in self.nodes)
        then = "another node brings it back within seconds" if rescuer else "no other node is alive to bring it back"
        if node is None:
            text = f"its node {self.record.node} is not among the nodes of the last hour"
        elif node.state is NodeState.LAPSED:
            text = f"the lease of its node {node.record.id} ran out {self.words.distance(node.record.lease_until)}"
        else:
            text = f"its node {node.record.id} is {node.state}"
        return [finding("node_lapsed", f"{text}; {then}", node=self.record.node, rescue=rescuer)]

    def _overrun(self) -> list[Finding]:
        """Its time is up, and its body goes on."""
        limit, record = timeout_us(self.policies), self.record
        if limit is None or record.node is None or record.started_at is None:
            return []
        overrun = Overrun(record.id, record.job, record.node, record.started_at, limit)
        return [past_its_time(overrun, self.words, "it")] if overrun.is_past(self.words.now) else []

    def _blocked_loop(self, node: NodeStatus | None) -> list[Finding]:
        """One ``async def`` keeps the others of its node waiting."""
        in_the_way = node is not None and node.blocked is not None and node.blocked.run == self.record.id
        waits = self.policies.get("async") and self.policies.get("executor", "thread") == "thread"
        return [*checks.blocked_loops([node], self.words)] if node is not None and (waits or in_the_way) else []

    def _progress(self) -> str:
        done, total = self.record.progress_done, self.record.progress_total
        if done is None:
            return ""
        return f", {done:,} of {total:,} done" if total else f", {done:,} done"

    def _succeeded(self) -> Finding:
        record = self.record
        started, finished = record.started_at or record.created_at, record.finished_at or self.words.now
        text = f"attempt {record.attempt} ended well {self.words.both(finished)}, after {span(finished - started)}"
        return finding("succeeded", text, finished_at=finished, attempt=record.attempt)

    def _failed(self) -> Finding:
        record = self.record
        when = self.words.both(record.finished_at or self.words.now)
        last = self._last("run.failed", "run.quarantined")
        if last is not None and last.kind == "run.quarantined":
            text = f"its process died while it ran, {record.crashes} times, so it may be what kills them; since {when}"
            return finding("quarantined", text, crashes=record.crashes)
        allowed = self.policies.get("attempts")
        if allowed and record.failures < allowed:
            text = f"this error is one that is never tried again: {record.error}; {when}"
            return finding("permanent", text, error=record.error)
        text = (
            f"all of its attempts failed, {record.failures} of {allowed or record.failures}; the last one {when} with "
        )
        return finding("attempts_used_up", text + (record.error or "no error told"), error=record.error)

    def _cancelled(self) -> Finding:
        record = self.record
        last = self._last("run.cancelled", "run.dismissed", "run.cancel_requested")
        by = record.cancel_by or (last.actor if last else None)
        when = self.words.both(record.finished_at or self.words.now)
        if last is not None and last.kind == "run.dismissed":
            return finding("dismissed", f"it had failed, and was closed{by_whom(by, None)} {when}", by=by)
        if by is None:
            return finding("cancelled", f"{record.error or 'nobody said why'}; {when}", by=None, reason=record.error)
        return finding("cancelled", f"{by} cancelled it {when}", by=by, reason=record.error)

    def _expired(self) -> list[Finding]:
        """What was so at its end, and what is so still."""
        event = self._last("run.expired")
        held_for = event.data.get("held_for") if event else self.record.held_for
        return [*expired(self.record, held_for, self.words), *self._obstacles().lasting()]

    # --- how it came there

    def _origin(self) -> list[Finding]:
        record = self.record
        facts = []
        of_host = f", for host {record.host}" if record.host else ""
        if self.fire is not None and self.fire.kind != FireKind.DUE:
            moment = f" for the due moment {self.words.moment(self.fire.due_at)}"
            of_past = moment if self.fire.kind == FireKind.BACKFILL else ""
            text = f"schedule {record.schedule} was run by hand{of_past}{of_host}, {self.fire.reason}"
            facts.append(finding(self.fire.kind, text, schedule=record.schedule, due_at=self.fire.due_at))
        elif self.fire is not None:
            text = f"schedule {record.schedule} was due {self.words.moment(self.fire.due_at)}{of_host}"
            facts.append(finding("fired", text, schedule=record.schedule, due_at=self.fire.due_at))
        elif record.asked_by:
            text = f"{record.asked_by} asked for it {self.words.both(record.created_at)}"
            facts.append(finding("asked", text, by=record.asked_by))
        forced = self._last("run.forced")
        if forced is not None:
            place = forced.data.get("environment")
            text = f"its job is off in the environment {place}; {forced.actor} ran it all the same"
            facts.append(finding("forced", text, by=forced.actor))
        dated = self._last("run.dated")
        if dated is not None:
            facts.append(finding("dated", self._dated(dated), by=dated.actor, **dated.data))
        again = self._last("run.retried_by_hand")
        if again is not None:
            text = f"{again.actor} sent it back to its queue {self.words.both(again.at)}"
            facts.append(finding("retried_by_hand", text, by=again.actor))
        return facts

    def _dated(self, event: Event) -> str:
        due, as_of = event.data.get("due"), event.data.get("as_of")
        parts = [] if due is None else [f"stands for the due moment {self.words.moment(due)}"]
        parts += [] if as_of is None else [f"has rules that go by {self.words.moment(as_of)}"]
        return f"{event.actor} asked that it {' and '.join(parts)}"

    def _earlier(self) -> list[Finding]:
        """The attempts before the present one, however they ended."""
        ended = {"failed": self._attempt_failed, "timed_out": self._attempt_failed, "crashed": self._crashed,
                 "handed_back": self._handed_back, "snoozed": self._put_off}  # fmt: skip
        told = [ended[each.outcome](each) for each in self.attempts if each.outcome in ended]
        return told[-SHOWN:]

    def _attempt_failed(self, attempt: AttemptRecord) -> Finding:
        text = f"attempt {attempt.number} {attempt.outcome.replace('_', ' ')} {self._ended(attempt)}: {attempt.error}"
        return finding("attempt_failed", text, attempt=attempt.number, error=attempt.error)

    def _crashed(self, attempt: AttemptRecord) -> Finding:
        lost_at = attempt.finished_at or self.words.now
        if attempt.error not in {None, NODE_LOST}:  # its own process, and not its node
            text = f"in attempt {attempt.number} {attempt.error}, {self.words.both(lost_at)}"
            return finding("crashed", text, node=attempt.node, at=lost_at, attempt=attempt.number)
        text = f"its node {attempt.node} was lost {self.words.both(lost_at)} while it ran"
        came_back = any(each.kind == "run.rescued" and each.at == attempt.finished_at for each in self.events)
        text += "; it came back" if came_back else ""
        return finding("rescued", text, node=attempt.node, at=lost_at, attempt=attempt.number)

    def _handed_back(self, attempt: AttemptRecord) -> Finding:
        text = f"attempt {attempt.number} was handed back {self._ended(attempt)}: {attempt.error}"
        return finding("handed_back", text, attempt=attempt.number, node=attempt.node)

    def _put_off(self, attempt: AttemptRecord) -> Finding:
        reason = f": {attempt.error}" if attempt.error else ""
        text = f"attempt {attempt.number} put itself off {self._ended(attempt)}{reason}"
        return finding("attempt_snoozed", text, attempt=attempt.number, reason=attempt.error)

    def _ended(self, attempt: AttemptRecord) -> str:
        """``2m ago, after 30s``."""
        started, ended = attempt.started_at, attempt.finished_at
        if started is None or ended is None:
            return "at a time that is not kept"
        return f"{self.words.distance(ended)}, after {span(ended - started)}"

    @cached_property
    def lateness(self) -> Lateness:
        return lateness(self.record, self.waits, self.fire, self.attempts, self.events, self.words.now)

    def _lateness(self) -> list[Finding]:
        """Told of a run that has started, and of one that should have."""
        late = self.lateness
        if late.total < LATE_US:
            if not late.started or self.record.state in {RunState.SCHEDULED, RunState.AVAILABLE}:
                return []
            return [
                finding("on_time", f"it started {span(max(0, late.total))} after it was due", late=late.total / SECOND)
            ]
        verb = "started" if late.started else "has waited for"
        total = f"{span(late.total)}{' late' if late.started else ''}"
        held = {"held": f" ({self.waits.held_for})"} if self.waits.held_for else {}
        parts = ", ".join(f"{span(each)} {CAUSES[cause]}{held.get(cause, '')}" for cause, each in late.parts.items())
        seconds = {cause: length / SECOND for cause, length in late.parts.items()}
        data = {"late": late.total / SECOND, **seconds}
        return [Finding(kind="late", severity=Severity.INFO, text=f"it {verb} {total}: {parts}", data=data)]

    def _last(self, *kinds: str) -> Event | None:
        return next((each for each in reversed(self.events) if each.kind in kinds), None)


def _usual(figures: Figures) -> list[Finding]:
    if figures.p50 is None or figures.p95 is None:
        return []
    text = f"half of its attempts in the last day took up to {span(figures.p50 * SECOND)}, 95 % up to "
    return [finding("usual", text + span(figures.p95 * SECOND), p50=figures.p50, p95=figures.p95)]
