"""Whether all is well, and if not, why: from the ledger, so that what does not work is told by somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rota.app import overrun
from rota.app.ahead import TODO, ahead
from rota.app.counters import Counters, Figures
from rota.app.nodes import NodeState, NodeStatus, survey
from rota.app.queues import Queues, QueueStatus
from rota.app.words import SECOND, Words, by_whom, counted, span
from rota.model.node import host_identity, process_exists
from rota.store import Store, Transaction, migrate, runs, schedules
from rota.store.migrate import SchemaStatus

OVERDUE_AFTER_US = 60 * SECOND
"""A schedule that was due so long ago has been seen by nobody."""
LONG_WAIT_US = 300 * SECOND
LOST_LATELY_US = 300 * SECOND
FEW_RUNS = 20
"""Of fewer runs an hour, a share says nothing."""
POOR_SUCCESS = 0.9
NAMED = 10
ESSENTIAL = {"scheduler": "no due moment is judged", "stager": "nothing that waits becomes work",
             "worker": "no run starts", "finisher": "no result is kept"}  # fmt: skip
"""Without any living duty of this name, what does not happen."""


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Work is done, but something needs a look."""
    DOWN = "down"
    """Something essential does not happen at all."""


@dataclass(frozen=True, slots=True)
class Reason:
    health: Health
    text: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class OverdueSchedule:
    name: str
    job: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Paused:
    """``kind`` is ``schedule`` or ``queue``."""

    kind: str
    name: str
    at: int
    by: str | None
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Moments are microseconds of UTC. Lists of schedules hold the first few; counts stop at ``COUNT_CAP``."""

    at: int
    health: Health
    reasons: tuple[Reason, ...]
    nodes: tuple[NodeStatus, ...]
    queues: tuple[QueueStatus, ...]
    schedules: int
    overdue: tuple[OverdueSchedule, ...]
    overdue_count: int
    paused: tuple[Paused, ...]
    dead: int
    hour: Figures
    last_minutes: Figures
    schema: SchemaStatus


def status(store: Store) -> Status:
    """Raises ``StoreError`` where the database is away or has no tables."""
    now = store.now_us()
    schema = migrate.peek(store.database)
    queues = tuple(Queues(store).all())
    counters = Counters(store)
    hour = counters.figures(60)
    with store.read() as tx:
        nodes = tuple(survey(tx, now))
        overdue, overdue_count = _overdue(tx, now)
        words = Words(now)
        reasons = (
            *_of_schema(schema),
            *_of_nodes(nodes, words),
            *_of_clock(ahead(tx, nodes, words)),
            *_of_schedules(overdue, overdue_count, words),
            *_of_queues(queues, nodes, words),
            *_of_runs(hour),
            *(Reason(Health.DEGRADED, each) for each in overrun.told_of(overrun.overruns(tx, now), words)),
        )
        return Status(
            at=now,
            health=_worst(reasons),
            reasons=reasons,
            nodes=nodes,
            queues=queues,
            schedules=schedules.count(tx),
            overdue=overdue,
            overdue_count=overdue_count,
            paused=_paused(tx, queues),
            dead=runs.count_failed(tx),
            hour=hour,
            last_minutes=counters.figures(5),
            schema=schema,
        )


def _overdue(tx: Transaction, now: int) -> tuple[tuple[OverdueSchedule, ...], int]:
    """The most overdue schedules, and how many there are in all."""
    before = now - OVERDUE_AFTER_US
    first = tuple(
        OverdueSchedule(each.name, each.job, each.next_due_at or 0) for each in schedules.overdue(tx, before, NAMED)
    )
    return first, schedules.count_overdue(tx, before) if first else 0


def _worst(reasons: tuple[Reason, ...]) -> Health:
    told = {reason.health for reason in reasons}
    return next((health for health in (Health.DOWN, Health.DEGRADED) if health in told), Health.HEALTHY)


def _paused(tx: Transaction, queues: Sequence[QueueStatus]) -> tuple[Paused, ...]:
    found = [
        Paused("queue", each.record.name, each.record.paused_at, each.record.paused_by, each.record.paused_why)
        for each in queues
        if each.record.paused_at is not None
    ]
    found += [
        Paused("schedule", each.name, each.paused_at or 0, each.paused_by, each.paused_why)
        for each in schedules.paused(tx, 50)
    ]
    return tuple(found)


def _of_schema(schema: SchemaStatus) -> list[Reason]:
    if schema.current:
        return []
    told = f"The database is at schema {schema.applied}, this Rota knows {schema.known}"
    todo = "run `rota db migrate`" if schema.missing else "upgrade Rota here"
    return [Reason(Health.DEGRADED, f"{told}: {todo}.")]


def _of_nodes(nodes: Sequence[NodeStatus], words: Words) -> list[Reason]:
    alive = [node for node in nodes if node.alive]
    gone = [_gone(node, words) for node in nodes if _gone_lately(node, words.now)]
    if not alive:
        return [Reason(Health.DOWN, "No node is alive, so nothing runs: start one with `rota up`."), *gone]
    return [*_of_duties(alive, words), *gone]


def _gone_lately(node: NodeStatus, now: int) -> bool:
    if node.state is NodeState.LOST:
        return now - (node.record.lost_at or 0) < LOST_LATELY_US
    return node.state is NodeState.LAPSED


def _gone(node: NodeStatus, words: Words) -> Reason:
    seen = words.distance(node.record.seen_at)
    what = "was lost" if node.state is NodeState.LOST else "is silent: its lease has run out"
    return Reason(Health.DEGRADED, f"Node {node.record.id} {what}; its last heartbeat was {seen}.{_there(node)}")


def _there(node: NodeStatus) -> str:
    """A process of this machine that lives on cannot reach the database, or is frozen."""
    record = node.record
    if node.state is not NodeState.LAPSED or record.host != host_identity() or not process_exists(record.pid):
        return ""
    return f" Its process {record.pid} is there, but cannot write, or is frozen: `rota doctor` tries whether one can."


def _of_duties(alive: list[NodeStatus], words: Words) -> list[Reason]:
    """A duty that stands still names itself; one that stands still everywhere means that its work is not done."""
    found: list[Reason] = []
    for node in alive:
        for duty in node.stale:
            since = "has never worked" if duty.ticked_at is None else f"last worked {words.distance(duty.ticked_at)}"
            error = f": {duty.error}" if duty.error else ""
            told = f"The {duty.name} of node {node.record.id} {since}{error}."
            found.append(Reason(Health.DEGRADED, told))
    for name, loss in ESSENTIAL.items():
        if not any(node.does(name) and name not in {duty.name for duty in node.stale} for node in alive):
            found.append(Reason(Health.DOWN, f"No node has a working {name}: {loss}."))
    return found


def _of_clock(told: Sequence[str]) -> list[Reason]:
    return [Reason(Health.DEGRADED, f"{each[0].upper()}{each[1:]}. {TODO}") for each in told]


def _of_schedules(overdue: tuple[OverdueSchedule, ...], count: int, words: Words) -> list[Reason]:
    if not overdue:
        return []
    first = overdue[0]
    verb = "is" if count == 1 else "are"
    told = f"{counted(count, 'schedule')} {verb} overdue: {first.name} was due {words.both(first.due_at)}"
    return [Reason(Health.DEGRADED, f"{told}; ask `rota schedule why {first.name}`.")]


def _of_queues(queues: Sequence[QueueStatus], nodes: Sequence[NodeStatus], words: Words) -> list[Reason]:
    found: list[Reason] = []
    for queue in queues:
        name, oldest = queue.record.name, queue.oldest_due_at
        if queue.record.paused_at is not None or oldest is None:
            continue
        if not any(node.alive and node.serves(name) for node in nodes):
            if any(node.alive for node in nodes):
                found.append(
                    Reason(Health.DEGRADED, f"No node serves queue {name}, where {counted(queue.waiting, 'run')} wait.")
                )
        elif words.now - oldest > LONG_WAIT_US:
            told = f"The oldest run of queue {name} has waited for {span(words.now - oldest)}"
            found.append(Reason(Health.DEGRADED, f"{told}; {counted(queue.waiting, 'run')} wait."))
    return found


def _of_runs(hour: Figures) -> list[Reason]:
    if hour.success is None or hour.runs < FEW_RUNS or hour.success >= POOR_SUCCESS:
        return []
    told = f"Of {hour.runs:,} runs that ended in the last hour, {hour.failed:,} failed"
    return [Reason(Health.DEGRADED, f"{told}: see `rota dead ls`.")]


def told_of(paused: Paused, words: Words) -> str:
    """``queue mail, paused 5m ago by cli:anna: migration``."""
    return f"{paused.kind} {paused.name}, paused {words.distance(paused.at)}{by_whom(paused.by, paused.why)}"
