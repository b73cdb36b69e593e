"""What stands between an available run and its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rota.engine.worker import UNKNOWN_JOB
from rota.explain import checks
from rota.explain.finding import Finding, Severity, finding
from rota.explain.words import Words, counted
from rota.model.node import NodeState, NodeStatus
from rota.model.rate import Rate
from rota.model.run import RunRecord
from rota.store import Transaction, queues
from rota.store.database import Row
from rota.store.queues import COUNT_CAP, QueueRecord

SHOWN = 3
SUSPECT = 2
"""So often suspected of having killed its node, a run is done alone."""


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
        facts = [
            *self._paused(queue),
            *checks.no_node(self.nodes, self.words),
            *self._unserved(),
            *self._unknown(),
            *self._held(),
            *self._suspect(),
            *self._key_full(),
            *self._queue_full(queue),
            *self._queue_rate(queue),
            *self._busy(),
            *self.duty("worker"),
            *self._ahead(),
        ]
        return facts or [finding("ready", "nothing stands in its way: it starts with the next claim")]

    def duty(self, name: str) -> list[Finding]:
        """Whether this duty stands still on every living node that could help."""
        return checks.stands_still(self._serving(), name, self.words)

    def _serving(self) -> list[NodeStatus]:
        return [node for node in self.nodes if node.alive and node.serves(self.record.queue)]

    def _paused(self, queue: QueueRecord | None) -> list[Finding]:
        if queue is None or queue.paused_at is None:
            return []
        paused = (queue.name, queue.paused_at, queue.paused_by, queue.paused_why)
        return [checks.queue_paused(*paused, self.words, "its queue")]

    def _unserved(self) -> list[Finding]:
        alive = [node for node in self.nodes if node.alive]
        if not alive or self._serving():
            return []
        queue = self.record.queue
        served = ", ".join(sorted({name for node in alive for name in node.record.queues.split(",")}))
        text = f"no node serves its queue {queue}; those alive serve {served}"
        todo = f"start one: rota up --queues {queue}"
        return [finding("queue_not_served", text, Severity.WARNING, todo, queue=queue)]

    def _unknown(self) -> list[Finding]:
        record = self.record
        if record.held_by is not None and record.held_by.startswith(UNKNOWN_JOB):
            text = f"the nodes that looked do not know job {record.job}"
            again = f"; the next one looks {self.words.distance(record.held_until)}" if record.held_until else ""
            return [finding("job_unknown", text + again, job=record.job, until=record.held_until)]
        alive = [node for node in self.nodes if node.alive]
        if self.policies and (not alive or any(node.knows(record.job) for node in alive)):
            return []
        if self.policies:
            text = f"no node that is alive has code that knows job {record.job}"
            return [finding("job_unknown", text, job=record.job)]
        return [
            finding("job_unknown", f"no application on this database has declared job {record.job}", job=record.job)
        ]

    def _suspect(self) -> list[Finding]:
        """What was running, among others, when nodes were lost is done alone."""
        suspected = self.record.suspected
        if suspected < SUSPECT:
            return []
        text = f"it was running on {suspected} nodes that were lost, so it is done alone, once a node has nothing else"
        return [finding("suspect", text, suspected=suspected)]

    def _held(self) -> list[Finding]:
        record = self.record
        if record.held_by is None or record.held_by.startswith(UNKNOWN_JOB):
            return []
        if record.held_until is not None:
            rate = self.policies.get("rate")
            text = (
                f"the rate of its job{f' ({rate})' if rate else ''} holds it until {self.words.both(record.held_until)}"
            )
            return [finding("rate", text, held_by=record.held_by, until=record.held_until)]
        ahead = self._count("why.held_ahead", key=record.limit_key, priority=record.priority, due_at=record.due_at)
        behind = f"; {counted(ahead, 'run')} held like it go{'es' if ahead == 1 else ''} first" if ahead else ""
        return [self._limit(f"{self._holders()}{behind}")]

    def _key_full(self) -> list[Finding]:
        """A limit that is used up, and that no claim has held this run for yet."""
        record = self.record
        if record.held_by is not None or record.limit_key is None:
            return []
        holders = self.tx.all("why.holders", key=record.limit_key, limit=record.limit_count or 1)
        return [self._limit(self._holders())] if len(holders) >= (record.limit_count or 1) else []

    def _limit(self, holders: str) -> Finding:
        record = self.record
        text = f"no more than {record.limit_count} may run at once under {record.limit_key}{holders}"
        return finding("concurrency", text, key=record.limit_key, count=record.limit_count)

    def _holders(self) -> str:
        rows = self.tx.all("why.holders", key=self.record.limit_key, limit=SHOWN + 1)
        return _running(rows, self.words) if rows else ", and nobody does: it is let go within seconds"

    def _queue_full(self, queue: QueueRecord | None) -> list[Finding]:
        if queue is None or queue.concurrency is None:
            return []
        rows = self.tx.all("why.running_in_queue", queue=queue.name, limit=queue.concurrency)
        if len(rows) < queue.concurrency:
            return []
        text = f"no more than {queue.concurrency} of queue {queue.name} may run at once{_running(rows, self.words)}"
        return [finding("queue_concurrency", text, queue=queue.name, count=queue.concurrency)]

    def _queue_rate(self, queue: QueueRecord | None) -> list[Finding]:
        if queue is None or queue.rate is None:
            return []
        rate, name = Rate.parse(queue.rate), queues.bucket(queue.name)
        full_at = rate.bounded(queues.buckets(self.tx, [name]).get(name, 0), self.words.now)
        if rate.allowed(full_at, self.words.now) >= 1:
            return []
        until = rate.next_at(full_at)
        text = f"queue {queue.name} starts no more than {queue.rate}; the next one may start {self.words.both(until)}"
        return [finding("queue_rate", text, queue=queue.name, rate=queue.rate, until=until)]

    def _busy(self) -> list[Finding]:
        serving = self._serving()
        if serving and all(node.state is NodeState.DRAINING for node in serving):
            text = f"every node that serves queue {self.record.queue} finishes what it has, and stops"
            return [finding("nodes_draining", text)]
        working = [node for node in serving if node.state is NodeState.ALIVE]
        threads, running = sum(node.record.threads for node in working), sum(node.record.running for node in working)
        if not working or running < threads:
            return []
        text = f"all {counted(threads, 'thread')} of the nodes that serve queue {self.record.queue} are busy"
        return [finding("busy", text, threads=threads, running=running)]

    def _ahead(self) -> list[Finding]:
        if self.record.held_by is not None:
            return []
        count = self._count("runs.ahead")
        if not count:
            return []
        verb = "is" if count == 1 else "are"
        return [
            finding("ahead", f"{counted(count, 'run')} {verb} ahead of it in queue {self.record.queue}", count=count)
        ]

    def _count(self, query: str, **parameters: Any) -> int:
        row = self.tx.one(query, id=self.record.id, limit=COUNT_CAP, **parameters)
        return int(row[0]) if row else 0


def _running(rows: Sequence[Row], words: Words) -> str:
    """`` and run 7 on web-1:12 does, since …``."""
    shown = [f"run {row[0]} on {row[2]} since {words.both(row[3] or words.now)}" for row in rows[:SHOWN]]
    return f"; running: {'; '.join(shown)}{'; …' if len(rows) > SHOWN else ''}"
