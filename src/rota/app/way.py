"""The way of a run from its queue to a node, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rota.app.nodes import NodeState, NodeStatus
from rota.app.why import Fact, fact
from rota.app.words import Words, by_whom, counted
from rota.model.queue import QueueRecord
from rota.model.rate import Rate
from rota.model.run import RunningRun, RunRecord
from rota.store import Transaction, queues, runs

SHOWN = 3
SUSPECT = 2
"""So often suspected of having killed its node, a run is done alone."""


@dataclass
class Way:
    """For an available run. Facts are given in the order in which they would have to be overcome."""

    tx: Transaction
    record: RunRecord
    words: Words
    nodes: Sequence[NodeStatus]
    policies: Mapping[str, Any]

    def facts(self) -> list[Fact]:
        queue = queues.get(self.tx, self.record.queue)
        found = [*self._paused(queue), *self.nobody(), *self._unserved(), *self._unknown(), *self._held()]
        found += [
            *self._suspect(),
            *self._key_full(),
            *self._queue_full(queue),
            *self._queue_rate(queue),
            *self._busy(),
        ]
        if self._serving():
            found += self.duty("worker")
        return [*found, *self._ahead()] or [fact("ready", "nothing stands in its way: it starts with the next claim")]

    def nobody(self) -> list[Fact]:
        if any(node.alive for node in self.nodes):
            return []
        gone = max(self.nodes, key=lambda node: node.record.seen_at, default=None)
        last = f"; the last one, {gone.record.id}, was seen {self.words.distance(gone.record.seen_at)}" if gone else ""
        return [fact("no_node", f"no node is alive{last}: start one with `rota up`")]

    def duty(self, name: str) -> list[Fact]:
        """Whether this duty stands still on every living node that could help."""
        able = [node for node in self._serving() if node.does(name)]
        still = [(node, duty) for node in able for duty in node.stale if duty.name == name]
        if not able or len(still) < len(able):
            return []
        node, duty = still[0]
        since = "has never worked" if duty.ticked_at is None else f"last worked {self.words.distance(duty.ticked_at)}"
        error = f": {duty.error}" if duty.error else ""
        return [
            fact("duty_stale", f"the {name} of node {node.record.id} {since}{error}", duty=name, node=node.record.id)
        ]

    def _serving(self) -> list[NodeStatus]:
        return [node for node in self.nodes if node.alive and node.serves(self.record.queue)]

    def _paused(self, queue: QueueRecord | None) -> list[Fact]:
        if queue is None or queue.paused_at is None:
            return []
        told = f"its queue {queue.name} was paused {self.words.both(queue.paused_at)}"
        return [
            fact(
                "queue_paused",
                told + by_whom(queue.paused_by, queue.paused_why),
                by=queue.paused_by,
                why=queue.paused_why,
            )
        ]

    def _unserved(self) -> list[Fact]:
        alive = [node for node in self.nodes if node.alive]
        if not alive or self._serving():
            return []
        served = ", ".join(sorted({name for node in alive for name in node.record.queues.split(",")}))
        told = f"no node serves its queue {self.record.queue}; those alive serve {served}"
        return [fact("queue_not_served", told, queue=self.record.queue)]

    def _unknown(self) -> list[Fact]:
        record = self.record
        alive = [node for node in self.nodes if node.alive]
        if self.policies and (not alive or any(node.knows(record.job) for node in alive)):
            return []
        if self.policies:
            told = f"no node that is alive has code that knows job {record.job}"
            return [fact("job_unknown", told, job=record.job)]
        return [fact("job_unknown", f"no application on this database has declared job {record.job}", job=record.job)]

    def _suspect(self) -> list[Fact]:
        """What was running, among others, when nodes were lost is done alone."""
        suspected = self.record.suspected
        if suspected < SUSPECT:
            return []
        told = f"it was running on {suspected} nodes that were lost, so it is done alone, once a node has nothing else"
        return [fact("suspect", told, suspected=suspected)]

    def _held(self) -> list[Fact]:
        record = self.record
        if record.held_by is None:
            return []
        if record.held_until is not None:
            rate = self.policies.get("rate")
            told = (
                f"the rate of its job{f' ({rate})' if rate else ''} holds it until {self.words.both(record.held_until)}"
            )
            return [fact("rate", told, held_by=record.held_by, until=record.held_until)]
        ahead = runs.count_held_ahead(self.tx, record)
        behind = f"; {counted(ahead, 'run')} held like it go{'es' if ahead == 1 else ''} first" if ahead else ""
        return [self._limit(f"{self._holders()}{behind}")]

    def _key_full(self) -> list[Fact]:
        """A limit that is used up, and that no claim has held this run for yet."""
        record = self.record
        if record.held_by is not None or record.limit_key is None:
            return []
        holders = runs.holders_of_key(self.tx, record.limit_key, record.limit_count or 1)
        return [self._limit(self._holders())] if len(holders) >= (record.limit_count or 1) else []

    def _limit(self, holders: str) -> Fact:
        record = self.record
        told = f"no more than {record.limit_count} may run at once under {record.limit_key}{holders}"
        return fact("concurrency", told, key=record.limit_key, count=record.limit_count)

    def _holders(self) -> str:
        holders = runs.holders_of_key(self.tx, self.record.limit_key or "", SHOWN + 1)
        return _told(holders, self.words) if holders else ", and nobody does: it is let go within seconds"

    def _queue_full(self, queue: QueueRecord | None) -> list[Fact]:
        if queue is None or queue.concurrency is None:
            return []
        holders = runs.holders_of_queue(self.tx, queue.name, queue.concurrency)
        if len(holders) < queue.concurrency:
            return []
        told = f"no more than {queue.concurrency} of queue {queue.name} may run at once{_told(holders, self.words)}"
        return [fact("queue_concurrency", told, queue=queue.name, count=queue.concurrency)]

    def _queue_rate(self, queue: QueueRecord | None) -> list[Fact]:
        if queue is None or queue.rate is None:
            return []
        rate, name = Rate.parse(queue.rate), queues.bucket(queue.name)
        full_at = rate.bounded(queues.buckets(self.tx, [name]).get(name, 0), self.words.now)
        if rate.allowed(full_at, self.words.now) >= 1:
            return []
        until = rate.next_at(full_at)
        told = f"queue {queue.name} starts no more than {queue.rate}; the next one may start {self.words.both(until)}"
        return [fact("queue_rate", told, queue=queue.name, rate=queue.rate, until=until)]

    def _busy(self) -> list[Fact]:
        serving = self._serving()
        if serving and all(node.state is NodeState.DRAINING for node in serving):
            told = f"every node that serves queue {self.record.queue} finishes what it has, and stops"
            return [fact("nodes_draining", told)]
        working = [node for node in serving if node.state is NodeState.ALIVE]
        threads, running = sum(node.record.threads for node in working), sum(node.record.running for node in working)
        if not working or running < threads:
            return []
        told = f"all {counted(threads, 'thread')} of the nodes that serve queue {self.record.queue} are busy"
        return [fact("busy", told, threads=threads, running=running)]

    def _ahead(self) -> list[Fact]:
        if self.record.held_by is not None:
            return []
        count = runs.count_ahead(self.tx, self.record)
        if not count:
            return []
        verb = "is" if count == 1 else "are"
        return [fact("ahead", f"{counted(count, 'run')} {verb} ahead of it in queue {self.record.queue}", count=count)]


def _told(holders: Sequence[RunningRun], words: Words) -> str:
    """`` and run 7 on web-1:12 does, since …``."""
    shown = [f"run {run.id} on {run.node} since {words.both(run.started_at or words.now)}" for run in holders[:SHOWN]]
    return f"; running: {'; '.join(shown)}{'; …' if len(holders) > SHOWN else ''}"
