"""What stands between an available run and its start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rota.explain import checks
from rota.explain.finding import Finding, Severity, finding
from rota.explain.words import Words, counted_up_to
from rota.model.host import ANY_HOST, GONE_US, LONG_GONE, Kept, gone_at
from rota.model.limit import count_under
from rota.model.node import NodeRecord, NodeState, NodeStatus
from rota.model.queue import QueueRecord
from rota.model.rate import Bucket, Rate, bucket_of_job, bucket_of_queue
from rota.model.retry import SUSPECT
from rota.model.run import PAUSED, RunningRun, RunRecord, RunState
from rota.shown import counted
from rota.store import Transaction, jobs, nodes, queues, releases, runs, schedules

SHOWN = 3
SEE_WHY_NO_PROCESS = "the logs of the nodes say why: no process can be started; to start another node: rota up"


@dataclass(frozen=True, slots=True)
class Rated:
    """A rate that a run starts under, the bucket it is counted in, and how many go before the run."""

    rate: str
    bucket: str
    ahead: int


@dataclass
class Obstacles:
    """For an available run. Facts are given in the order in which they would have to be overcome."""

    tx: Transaction
    record: RunRecord
    words: Words
    nodes: Sequence[NodeStatus]
    policies: Mapping[str, Any]

    def facts(self) -> list[Finding]:
        queue = queues.get(self.tx, self.record.queue)
        rates = [*self._queue_rate(queue), *self._job_rate()]
        facts = [
            *self._paused(queue),
            *checks.no_node(self.nodes, self.words),
            *(self.host_gone() or self._unserved()),
            *self._unknown(),
            *self._suspect(),
            *self._limits_and_rates(queue, rates),
            *self._busy(),
            *self.duty("worker"),
            *(() if rates else self._ahead()),
        ]
        return facts or [finding("ready", "nothing stands in its way: it starts with the next claim")]

    def begin_by(self) -> list[Finding]:
        """Until when it must have begun."""
        expires_at, words = self.record.expires_at, self.words
        if expires_at is None:
            return []
        if expires_at > words.now:
            text = f"it must begin by {words.both(expires_at)}, or it expires"
        else:
            text = f"it had to begin by {words.both(expires_at)}: it will not, and expires with the next look of a node"
        return [finding("begin_by", text, expires_at=expires_at)]

    def lasting(self) -> list[Finding]:
        """Those that no passing of time removes."""
        return [*self._paused(queues.get(self.tx, self.record.queue)), *self._unserved(), *self._unknown()]

    def duty(self, name: str) -> list[Finding]:
        """Whether this duty stands still on every living node that could help."""
        return checks.stands_still(self._serving(), name, self.words)

    def _serving(self) -> list[NodeStatus]:
        queue, host = self.record.queue, self.record.host
        return [
            node for node in self.nodes if node.alive and node.serves(queue) and host in {ANY_HOST, node.record.host}
        ]

    def host_gone(self) -> list[Finding]:
        """That nobody is there on the host that it is kept for, and until when it waits."""
        record, words = self.record, self.words
        if record.host == ANY_HOST:
            return []
        job = jobs.get(self.tx, record.job)
        kept = Kept(record.host, record.queue, record.job, job.owner if job else None)
        went = gone_at(kept, nodes.by_host(self.tx, record.host))
        if went is None:
            silent = f"it is kept for host {record.host}, whose nodes are silent, and will be given up for lost"
            return [] if self._serving() else [finding("host_silent", silent, Severity.WARNING, host=record.host)]
        since = f"since {words.both(went)}" if went != LONG_GONE else "for so long that none is known"
        waits_since = record.due_at if record.state == RunState.AVAILABLE else went
        expires_at = max(went, waits_since) + GONE_US
        text = f"it is kept for host {record.host}, which has had no living node for it {since}"
        text += f"; unless one starts by {words.both(expires_at)}, it expires"
        todo = f"start one on that host: rota up --queues {record.queue}"
        return [finding("host_gone", text, Severity.WARNING, todo, host=record.host, gone_at=went or None)]

    def _paused(self, queue: QueueRecord | None) -> list[Finding]:
        if queue is None or queue.paused_at is None:
            return []
        paused = (queue.name, queue.paused_at, queue.paused_by, queue.paused_why)
        return [checks.queue_paused(*paused, self.words, "its queue")]

    def _unserved(self) -> list[Finding]:
        alive = [node for node in self.nodes if node.alive]
        if not alive or self._serving() or self.record.host != ANY_HOST:
            return []
        queue = self.record.queue
        served = ", ".join(sorted({name for node in alive for name in node.record.queues.split(",")}))
        text = f"no node serves its queue {queue}; those alive serve {served}"
        todo = f"start one: rota up --queues {queue}"
        return [finding("queue_not_served", text, Severity.WARNING, todo, queue=queue)]

    def _unknown(self) -> list[Finding]:
        record = self.record
        alive = [node for node in self.nodes if node.alive]
        if self.policies and (not alive or any(self._knows(node) for node in alive)):
            return []
        if self.policies:
            text = f"no node that is alive has code that knows job {record.job}"
            return [finding("job_unknown", text, job=record.job)]
        return [
            finding("job_unknown", f"no application on this database has declared job {record.job}", job=record.job)
        ]

    def _knows(self, node: NodeStatus) -> bool:
        return node.record.release_id in self._knowing

    @cached_property
    def _knowing(self) -> frozenset[str]:
        return releases.knowing(self.tx, self.record.job)

    def schedule_paused(self) -> list[Finding]:
        schedule = schedules.get(self.tx, self.record.schedule or "") if self.record.held_by == PAUSED else None
        if schedule is None or schedule.paused_at is None:
            return []
        paused = (schedule.name, schedule.paused_at, schedule.paused_by, schedule.paused_why)
        return [checks.schedule_paused(*paused, self.words, f"its schedule {schedule.name}")]

    def _suspect(self) -> list[Finding]:
        """What was running, among others, when nodes were lost is done where it can harm nobody."""
        suspected = self.record.suspected
        if suspected < SUSPECT:
            return []
        text = f"it was running on {suspected} nodes that were lost, so it is done in a process of its own, or alone"
        return [finding("suspect", text, suspected=suspected)]

    def _limits_and_rates(self, queue: QueueRecord | None, rates: Sequence[Finding]) -> list[Finding]:
        """Who stands in line for a limit with room waits for those before him, and they for the rate."""
        limits = [*self._held(), *self._queue_full(queue)]
        return [*limits, *rates] if self._key_is_full else [*rates, *limits]

    def _held(self) -> list[Finding]:
        """Also by a limit that is used up, and that no claim has held this run for yet."""
        record = self.record
        if record.held_by == PAUSED:
            return self.schedule_paused()
        if record.held_by is None:
            return [self._limit(self._holders())] if self._key_is_full else []
        ahead = self._held_ahead
        behind = f"; {counted_up_to(ahead, 'run')} held like it go{'es' if ahead == 1 else ''} first" if ahead else ""
        return [self._limit(f"{self._holders()}{behind}")]

    @cached_property
    def _key_is_full(self) -> bool:
        """By what is running."""
        key, count = self.record.limit_key, self._count
        return key is not None and count is not None and len(runs.holders_of_key(self.tx, key, count)) >= count

    @cached_property
    def _count(self) -> int | None:
        """How many may run at once under the key of the run, by what its job says now."""
        job, key = jobs.get(self.tx, self.record.job), self.record.limit_key
        return None if key is None else count_under(key, job.limit_count if job else None)

    @cached_property
    def _held_ahead(self) -> int:
        held = self.record.held_by is not None and self.record.held_by != PAUSED
        return runs.count_held_ahead(self.tx, self.record) if held else 0

    def _limit(self, holders: str) -> Finding:
        record = self.record
        text = f"no more than {self._count} may run at once under {record.limit_key}{holders}"
        return finding("concurrency", text, key=record.limit_key, count=self._count)

    def _holders(self) -> str:
        holders = runs.holders_of_key(self.tx, self.record.limit_key or "", SHOWN + 1)
        return _running(holders, self.words) if holders else ", and one that goes first has not begun yet"

    def _queue_full(self, queue: QueueRecord | None) -> list[Finding]:
        if queue is None or queue.concurrency is None:
            return []
        holders = runs.holders_of_queue(self.tx, queue.name, queue.concurrency)
        if len(holders) < queue.concurrency:
            return []
        text = f"no more than {queue.concurrency} of queue {queue.name} may run at once{_running(holders, self.words)}"
        return [finding("queue_concurrency", text, queue=queue.name, count=queue.concurrency)]

    def _queue_rate(self, queue: QueueRecord | None) -> list[Finding]:
        if queue is None or queue.rate is None:
            return []
        ahead = runs.count_ahead(self.tx, self.record)
        return self._used_up("queue_rate", "queue", queue.name, Rated(queue.rate, bucket_of_queue(queue.name), ahead))

    def _job_rate(self) -> list[Finding]:
        record, given = self.record, self.policies.get("rate")
        if record.held_by == PAUSED or given is None:
            return []
        ahead = runs.count_rated_ahead(self.tx, record) + self._held_ahead
        return self._used_up("rate", "job", record.job, Rated(given, bucket_of_job(record.job), ahead))

    def _used_up(self, kind: str, noun: str, name: str, rated: Rated) -> list[Finding]:
        """A rate that does not let it start now: when it lets the next one, and about when this one."""
        words, stored = self.words, queues.buckets(self.tx, [rated.bucket]).get(rated.bucket)
        bucket = Bucket.read(Rate.parse(rated.rate), stored, words.now)
        turn_at = bucket.turn_at(rated.ahead)
        if turn_at <= words.now:
            return []
        until = bucket.turn_at(0)
        text = f"{noun} {name} starts no more than {rated.rate}; the next one may start {words.both(until)}"
        if rated.ahead:
            go = f"{counted_up_to(rated.ahead, 'run')} go{'es' if rated.ahead == 1 else ''} before it"
            text += f"; {go}, so its own start may be about {words.both(turn_at)}"
        data: dict[str, Any] = {noun: name, "ahead": rated.ahead, "turn_at": turn_at}
        return [finding(kind, text, rate=rated.rate, until=until, **data)]

    def _busy(self) -> list[Finding]:
        serving = self._serving()
        if serving and all(node.state is NodeState.DRAINING for node in serving):
            text = f"every node that serves queue {self.record.queue} finishes what it has, and stops"
            return [finding("nodes_draining", text)]
        working = [node.record for node in serving if node.state is NodeState.ALIVE and self._knows(node)]
        if not working:
            return []
        return self._slots_busy(working) if self._needs_a_slot(working) else self._threads_busy(working)

    def _needs_a_slot(self, working: Sequence[NodeRecord]) -> bool:
        """A suspect is done apart where that can be."""
        suspect = self.record.suspected >= SUSPECT and any(node.slots for node in working)
        return suspect or self.policies.get("executor") == "process"

    def _threads_busy(self, working: Sequence[NodeRecord]) -> list[Finding]:
        threads = sum(node.threads for node in working)
        running = sum(node.running - node.slots_busy for node in working)
        if running < threads:
            return []
        text = f"all {counted(threads, 'thread')} of the nodes that serve queue {self.record.queue} are busy"
        return [finding("busy", text, threads=threads, running=running)]

    def _slots_busy(self, working: Sequence[NodeRecord]) -> list[Finding]:
        """Counted by the runs themselves: a node tells of its slots with its next heartbeat only."""
        slots, queue = sum(node.slots for node in working), self.record.queue
        if not slots:
            text = f"it needs a process of its own, and no node that serves queue {queue} can start one"
            return [finding("no_slots", text, Severity.WARNING, SEE_WHY_NO_PROCESS, queue=queue)]
        holders = self._in_slots(runs.on_nodes(self.tx, [node.id for node in working]))
        if len(holders) < slots:
            return []
        text = f"all {counted(slots, 'slot')} of the nodes that serve queue {queue} are busy"
        text += _running(holders[: SHOWN + 1], self.words)
        todo = "it starts when one of them ends; to have more: worker.slots in the settings"
        data = {"slots": slots, "runs": [run.id for run in holders[:SHOWN]]}
        return [finding("slots_busy", text, Severity.INFO, todo, **data)]

    def _in_slots(self, running: Sequence[RunningRun]) -> list[RunningRun]:
        """Those that are done in processes of their own."""
        told = jobs.definitions(self.tx, {run.job for run in running})
        apart = {name for name, text in told.items() if json.loads(text).get("executor") == "process"}
        return [run for run in running if run.suspected >= SUSPECT or run.job in apart]

    def _ahead(self) -> list[Finding]:
        if self.record.held_by is not None:
            return []
        count = runs.count_ahead(self.tx, self.record)
        if not count:
            return []
        verb = "is" if count == 1 else "are"
        return [
            finding(
                "ahead", f"{counted_up_to(count, 'run')} {verb} ahead of it in queue {self.record.queue}", count=count
            )
        ]


def _running(holders: Sequence[RunningRun], words: Words) -> str:
    """``; running: run 7 on web-1:12 since …``, or ``; taken by run 7, which waits for a signal``."""
    shown = [f"run {run.id}{_where(run, words)}" for run in holders[:SHOWN]]
    what = "running:" if holders[0].node else "taken by"
    return f"; {what} {'; '.join(shown)}{'; …' if len(holders) > SHOWN else ''}"


def _where(run: RunningRun, words: Words) -> str:
    if run.node is None:
        return ", which waits for a signal"
    return f" on {run.node} since {words.both(run.started_at or words.now)}"
