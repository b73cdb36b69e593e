"""Whether all is well, and if not, why: from the ledger, so that what does not work is told by somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rota.engine.hold import look
from rota.explain import checks, rates
from rota.explain.awaited import waiting_runs
from rota.explain.clock_set_back import clock_set_back
from rota.explain.finding import Finding, Severity
from rota.explain.here import NOWHERE, Here
from rota.explain.overrun import overruns, past_their_time
from rota.explain.words import SECOND, Words
from rota.model.figures import Figures
from rota.model.node import NodeStatus
from rota.model.passport import Passport
from rota.model.queue import QueueStatus
from rota.store import Store, Transaction, counters, migrate, runs, schedules
from rota.store import nodes as all_nodes
from rota.store.migrate import SchemaStatus

OVERDUE_AFTER_US = 60 * SECOND
"""A schedule that was due so long ago has been seen by nobody."""
NAMED = 10
PAUSED_SHOWN = 50


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Work is done, but something needs a look."""
    DOWN = "down"
    """Something essential does not happen at all."""


@dataclass(frozen=True, slots=True)
class OverdueSchedule:
    name: str
    job: str
    due_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Moments are microseconds of UTC. Lists of schedules hold the first few; counts stop at ``COUNT_CAP``."""

    at: int
    reasons: tuple[Finding, ...]
    """What is wrong; ``paused`` is what somebody wanted so."""
    nodes: tuple[NodeStatus, ...]
    queues: tuple[QueueStatus, ...]
    schedules: int
    overdue: tuple[OverdueSchedule, ...]
    overdue_count: int
    paused: tuple[Finding, ...]
    dead: int
    signals_awaited: int
    """Runs that wait for a person or a program."""
    hour: Figures
    last_minutes: Figures
    schema: SchemaStatus
    passport: Passport
    """Of the ledger, as it fits the process that looks."""

    @property
    def health(self) -> Health:
        found = {health_of(reason) for reason in self.reasons}
        return next((each for each in (Health.DOWN, Health.DEGRADED) if each in found), Health.HEALTHY)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is no illness."""
        return (*self.paused, *waiting_runs(self.signals_awaited), *checks.dead_letters(self.dead))


def health_of(reason: Finding) -> Health:
    """What one reason makes of the whole."""
    return Health.DOWN if reason.severity is Severity.PROBLEM else Health.DEGRADED


def status(store: Store, here: Here = NOWHERE) -> Status:
    """Raises ``StoreError`` where the database is away or has no tables."""
    now = store.now_us()
    schema = migrate.peek(store.database)
    with store.read() as tx:
        words = Words(now)
        standing = look(store, tx, here.environment).for_all
        nodes, queues = tuple(all_nodes.survey(tx, now)), tuple(rates.filled(tx, now))
        hour = counters.figures(tx, now, 60)
        overdue, overdue_count = _overdue(tx, now)
        aside = schedules.aside(tx, NAMED)
        reasons = (
            *checks.schema(schema),
            *checks.held(standing),
            *checks.of_nodes(nodes, words),
            *checks.strange_nodes(standing, nodes),
            *(() if any(node.alive for node in nodes) else checks.unwritable(store)),
            *clock_set_back(tx, nodes, words),
            *(checks.overdue(each.name, each.due_at, overdue_count, words) for each in overdue[:1]),
            *(checks.set_aside(each.name, each.aside_until or 0, each.aside_why, words) for each in aside),
            *checks.waiting_queues(queues, nodes, words),
            *checks.unknown_jobs(tx, queues, nodes, words),
            *checks.many_failures(hour),
            *checks.unnamed_environments(tx, nodes, here),
            *past_their_time(overruns(tx, now), words),
        )
        return Status(
            at=now,
            reasons=reasons,
            nodes=nodes,
            queues=queues,
            schedules=schedules.count(tx),
            overdue=overdue,
            overdue_count=overdue_count,
            paused=(*_paused_queues(queues, words), *_paused_schedules(tx, words)),
            dead=runs.count_failed(tx),
            signals_awaited=runs.count_waiting(tx),
            hour=hour,
            last_minutes=counters.figures(tx, now, 5),
            schema=schema,
            passport=standing.passport,
        )


def _overdue(tx: Transaction, now: int) -> tuple[tuple[OverdueSchedule, ...], int]:
    """The most overdue schedules, and how many there are in all."""
    before = now - OVERDUE_AFTER_US
    first = tuple(
        OverdueSchedule(each.name, each.job, each.next_due_at or 0) for each in schedules.overdue(tx, before, NAMED)
    )
    return first, schedules.count_overdue(tx, before) if first else 0


def _paused_queues(queues: tuple[QueueStatus, ...], words: Words) -> list[Finding]:
    return [
        checks.queue_paused(queue.name, queue.paused_at, queue.paused_by, queue.paused_why, words)
        for queue in (each.record for each in queues)
        if queue.paused_at is not None
    ]


def _paused_schedules(tx: Transaction, words: Words) -> list[Finding]:
    paused = schedules.paused(tx, PAUSED_SHOWN)
    return [
        checks.schedule_paused(each.name, each.paused_at or 0, each.paused_by, each.paused_why, words)
        for each in paused
    ]
