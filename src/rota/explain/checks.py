"""What can be wrong with a ledger and its nodes, each said here and nowhere else.

An answer chooses from them: ``status`` takes all, ``doctor`` what an installation is about, ``why`` what stands in the
way of one run or schedule, ``/readyz`` how it calls a database that is away.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence

from rota.engine.hold import Standing
from rota.errors import RotaError
from rota.explain.finding import Finding, Severity, finding
from rota.explain.here import Here
from rota.explain.words import SECOND, Words, by_whom, counted_up_to, span
from rota.model.figures import Figures
from rota.model.node import DutyRecord, NodeState, NodeStatus, machine_identity
from rota.model.process import process_exists
from rota.model.queue import QueueStatus
from rota.model.suggestion import nearest
from rota.shown import counted, shown
from rota.store import Store, Transaction, jobs, leases, migrate, releases, runs
from rota.store.database import SEE_DOCTOR
from rota.store.migrate import SchemaStatus

NOTE, WARNING, PROBLEM = Severity.NOTE, Severity.WARNING, Severity.PROBLEM
LOST_LATELY_US = 300 * SECOND
LONG_WAIT_US = 300 * SECOND
UNKNOWN_US = 30 * SECOND
"""A roll-out may be under way: for so long nobody is alarmed by a job that only its next node knows."""
OLD_LEASE_US = 86_400 * SECOND
SHOWN = 10
FEW_RUNS = 20
"""Of fewer runs an hour, a share says nothing."""
POOR_SUCCESS = 0.9
WELL_KNOWN = frozenset({"development", "test", "staging", "production"})
"""Environments that need no job to name them."""
ESSENTIAL = {"scheduler": "no due moment is judged", "stager": "nothing that waits becomes work",
             "worker": "no run starts", "finisher": "no result is kept"}  # fmt: skip
"""Without any living duty of this name, what does not happen."""


# --- the database


def unwritable(store: Store) -> list[Finding]:
    """Whether this user may not write what the database is made of: a file, and others beside it, in its directory."""
    path = getattr(store.database, "path", None)
    if path is None:
        return []
    locked = [each for each in (path, path.parent) if each.exists() and not os.access(each, os.W_OK)]
    todo = "let it: look at ls -ld, chown and chmod, or whether the disk is mounted read-only"
    return [
        finding("read_only", f"this user may not write {each}", PROBLEM, todo, path=str(each)) for each in locked[:1]
    ]


def unreachable(error: RotaError) -> Finding:
    return finding("database_unreachable", str(error), PROBLEM, error.hint.removesuffix(SEE_DOCTOR))


def schema(status: SchemaStatus) -> list[Finding]:
    """Whether the tables are those of this code."""
    try:
        migrate.demand(status)
    except RotaError as error:
        found = finding("schema", str(error), WARNING, error.hint, applied=status.applied, known=status.known)
        return [found]
    return []


# --- the passport


def held(standing: Standing) -> list[Finding]:
    """Whether the ledger is another one than its passport says."""
    found = standing.for_all.held
    if found is None:
        return []
    text = f"held: {found.text}; nothing is fired, begun or deleted"
    passport = standing.passport
    data = {"why": found.why, "id": passport.id, "environment": passport.environment, "database": passport.database}
    return [finding("held", text, PROBLEM, found.todo, **data)]


def strange_nodes(standing: Standing, nodes: Iterable[NodeStatus]) -> Iterator[Finding]:
    """The living nodes of another environment than the ledger's: they do nothing in it."""
    mine = None if standing.is_another else standing.record.environment
    alive = [node for node in nodes if node.alive and mine is not None]
    severity = WARNING if any(node.record.environment == mine for node in alive) else PROBLEM
    for node in alive:
        theirs = node.record.environment
        if theirs != mine:
            said = f"is of the environment {shown(theirs)}" if theirs is not None else "names no environment"
            text = f"node {node.record.id} {said}, and the ledger is of {shown(mine)}: held, it does nothing"
            todo = f"start it with ROTA_ENVIRONMENT={mine}"
            yield finding("node_held", text, severity, todo, node=node.record.id, environment=theirs)


def held_by_all(standing: Standing, nodes: Sequence[NodeStatus]) -> list[Finding]:
    """Why no living node acts on the ledger."""
    strange = list(strange_nodes(standing, nodes))
    alive = [node for node in nodes if node.alive]
    return held(standing) or (strange[:1] if alive and len(strange) == len(alive) else [])


# --- nodes and their duties


def no_node(nodes: Sequence[NodeStatus], words: Words) -> list[Finding]:
    if any(node.alive for node in nodes):
        return []
    gone = max(nodes, key=lambda node: node.record.seen_at, default=None)
    last = f"; the last one, {gone.record.id}, was seen {words.distance(gone.record.seen_at)}" if gone else ""
    return [finding("no_node", f"no node is alive, so nothing runs{last}", PROBLEM, "start one: rota up")]


def silent_nodes(nodes: Sequence[NodeStatus], words: Words) -> Iterator[Finding]:
    """Those that were lost a short while ago, or will be."""
    for node in nodes:
        lost_at = node.record.lost_at or 0
        if node.state is NodeState.LAPSED:
            what, todo = "is silent: its lease has run out", _why_silent(node)
        elif node.state is NodeState.LOST and words.now - lost_at < LOST_LATELY_US:
            what, todo = "was lost", ""
        else:
            continue
        seen_at = node.record.seen_at
        text = f"node {node.record.id} {what}; its last heartbeat was {words.distance(seen_at)}{_stood_still(node)}"
        yield finding("node_silent", text, WARNING, todo, node=node.record.id, seen_at=seen_at)


def _stood_still(node: NodeStatus) -> str:
    """What it wrote down of itself before it let its lease go."""
    return "".join(f"; its {duty.name} {duty.error}" for duty in node.duties if duty.patience == 0)


def _why_silent(node: NodeStatus) -> str:
    """A process of this machine that lives on cannot reach the database, or is frozen."""
    record = node.record
    if record.machine != machine_identity() or not process_exists(record.pid):
        return ""
    return f"its process {record.pid} is there, but cannot write, or is frozen; try whether one can: rota doctor"


def duty_stale(node: NodeStatus, duty: DutyRecord, words: Words) -> Finding:
    worked = "has never worked" if duty.ticked_at is None else f"last worked {words.distance(duty.ticked_at)}"
    text = f"the {duty.name} of node {node.record.id} {worked}" + (f": {duty.error}" if duty.error else "")
    todo = f"see the log of the node; to replace it: rota node drain {node.record.id}"
    data = {"duty": duty.name, "node": node.record.id, "ticked_at": duty.ticked_at, "error": duty.error}
    return finding("duty_stale", text, WARNING, todo, **data)


def stale_duties(nodes: Iterable[NodeStatus], words: Words) -> list[Finding]:
    return [duty_stale(node, duty, words) for node in nodes if node.alive for duty in node.stale]


def stands_still(nodes: Iterable[NodeStatus], name: str, words: Words) -> list[Finding]:
    """Whether this duty stands still on every living one of these nodes."""
    able = [node for node in nodes if node.alive and node.does(name)]
    still = [(node, duty) for node in able for duty in node.stale if duty.name == name]
    return [duty_stale(*still[0], words)] if still and len(still) == len(able) else []


def missing_duties(nodes: Sequence[NodeStatus]) -> Iterator[Finding]:
    """What no living node does, so that it is not done at all."""
    alive = [node for node in nodes if node.alive]
    for name, loss in ESSENTIAL.items() if alive else ():
        if not any(node.does(name) and name not in {duty.name for duty in node.stale} for node in alive):
            yield finding("duty_missing", f"no node has a working {name}: {loss}", PROBLEM, duty=name)


def unable(nodes: Iterable[NodeStatus], schedule: str | None = None) -> Iterator[Finding]:
    """The schedules, or this one, that a living node cannot judge: it leaves them to others."""
    for node in nodes:
        for name, why in (each for duty in node.duties for each in duty.cannot_judge.items()):
            if node.alive and schedule in {None, name}:
                text = f"node {node.record.id} cannot judge schedule {name} and leaves it to others: {why}"
                yield finding("schedule_unable", text, WARNING, node=node.record.id, schedule=name, why=why)


def blocked_loops(nodes: Iterable[NodeStatus], words: Words) -> Iterator[Finding]:
    """The living nodes on which one ``async def`` lets no other go on."""
    for node in nodes:
        if (blocked := node.blocked) is not None:
            text = f"run {blocked.run} of {blocked.job} blocks the event loop of node {node.record.id} since"
            text += f" {words.both(blocked.since)}, at {blocked.where}: no other async def goes on there"
            todo = "await what waits there, as in await asyncio.to_thread(…), or write def instead of async def"
            data = {"job": blocked.job, "since": blocked.since, "where": blocked.where}
            yield finding("loop_blocked", text, WARNING, todo, node=node.record.id, run=blocked.run, **data)


def of_nodes(nodes: Sequence[NodeStatus], words: Words) -> list[Finding]:
    """All that is wrong with nodes."""
    duties = [*stale_duties(nodes, words), *missing_duties(nodes)]
    return [*no_node(nodes, words), *duties, *silent_nodes(nodes, words), *unable(nodes), *blocked_loops(nodes, words)]


# --- environments


def unnamed_environment(environment: str | None, named: Collection[str]) -> list[Finding]:
    """One that no job names, where jobs name some: a slip turns them off without a word."""
    if environment is None or environment in {*WELL_KNOWN, *named} or not named:
        return []
    there = sorted(named)
    alike = (each for each in there if each.startswith(environment) or environment.startswith(each))
    meant = nearest(environment, there) or next(alike, None)
    text = f"environment {shown(environment)} is named by no job; they name {', '.join(there[:SHOWN])}"
    text += ", …" if len(there) > SHOWN else ""
    text += f": did you mean {meant}?" if meant else ""
    todo = "those jobs do not run by themselves here: see ROTA_ENVIRONMENT, and environment in rota.toml or in the code"
    return [finding("environment", text, WARNING, todo, environment=environment, named=there)]


def unnamed_environments(tx: Transaction, nodes: Sequence[NodeStatus], here: Here) -> list[Finding]:
    """Of this process, by the jobs of its code if it has any, and of living nodes, by those of their application."""
    living = {(node.record.environment, node.record.owner) for node in nodes if node.alive}
    if not {here.environment, *(environment for environment, _ in living)} - {None, *WELL_KNOWN}:
        return []
    told = jobs.environments(tx)
    everywhere = {name for names in told.values() for name in names}
    found = unnamed_environment(here.environment, here.named if here.jobs else everywhere)
    for environment, owner in sorted(living, key=str):
        found += unnamed_environment(environment, told.get(owner, set()))
    return list({each.data["environment"]: each for each in found}.values())


# --- schedules, queues, runs


def overdue(name: str, due_at: int, count: int, words: Words) -> Finding:
    """The worst of so many schedules that nobody judges."""
    verb = "is" if count == 1 else "are"
    text = f"{counted(count, 'schedule')} {verb} overdue: {name} was due {words.both(due_at)}"
    todo = f"ask why: rota schedule why {name}"
    return finding("schedules_overdue", text, WARNING, todo, name=name, due_at=due_at, count=count)


def set_aside(name: str, until: int, why: str | None, words: Words) -> Finding:
    """A schedule whose run the database refuses."""
    text = f"schedule {name} is set aside, as the database refused what it leads to: {why}"
    text += f"; it is tried again {words.both(until)}"
    todo = f"change it: rota schedule edit {name}"
    return finding("schedule_set_aside", text, WARNING, todo, name=name, until=until, why=why)


def queue_paused(name: str, at: int, by: str | None, why: str | None, words: Words, said: str = "queue") -> Finding:
    text = f"{said} {name} was paused {words.both(at)}{by_whom(by, why)}"
    return finding(
        "queue_paused", text, NOTE, f"let it go on: rota queue resume {name}", name=name, at=at, by=by, why=why
    )


def schedule_paused(name: str, at: int, by: str | None, why: str | None, words: Words, said: str = "") -> Finding:
    text = f"{said or f'schedule {name}'} was paused {words.both(at)}{by_whom(by, why)}"
    todo = f"let it go on: rota schedule resume {name}"
    return finding("schedule_paused", text, NOTE, todo, name=name, at=at, by=by, why=why)


def waiting_queues(queues: Iterable[QueueStatus], nodes: Sequence[NodeStatus], words: Words) -> Iterator[Finding]:
    """Those whose runs wait for long, or for a node that there is not."""
    alive = [node for node in nodes if node.alive]
    for queue in queues:
        name, oldest = queue.record.name, queue.oldest_due_at
        if queue.record.paused_at is not None or oldest is None:
            continue
        wait = "waits" if queue.waiting == 1 else "wait"
        waiting = f"{counted_up_to(queue.waiting, 'run')} {wait}"
        if alive and not any(node.serves(name) for node in alive):
            text, todo = f"no node serves queue {name}, where {waiting}", f"start one: rota up --queues {name}"
            yield finding("queue_not_served", text, WARNING, todo, queue=name, waiting=queue.waiting)
        elif alive and words.now - oldest > LONG_WAIT_US:
            text = f"the oldest run of queue {name} has waited for {span(words.now - oldest)}; {waiting}"
            yield finding("queue_waits_long", text, WARNING, queue=name, waiting=queue.waiting, oldest_due_at=oldest)


def unknown_jobs(
    tx: Transaction, queues: Iterable[QueueStatus], nodes: Sequence[NodeStatus], words: Words
) -> Iterator[Finding]:
    """Jobs whose runs have waited for a while for code that no living node has."""
    alive = [node for node in nodes if node.alive]
    for queue in queues if alive else ():
        name, oldest = queue.record.name, queue.oldest_due_at
        if queue.record.paused_at is not None or oldest is None or words.now - oldest < UNKNOWN_US:
            continue
        codes = {node.record.release_id for node in alive if node.serves(name)}
        unknown = releases.unknown(tx, runs.waiting_jobs(tx, name), codes) if codes else []
        if unknown:
            shown = ", ".join(unknown[:SHOWN]) + (", …" if len(unknown) > SHOWN else "")
            text = f"runs wait in queue {name} for code that no living node which serves it has: {shown}"
            todo = f"start a node with that code, or see whether they are wanted: rota run ls --job {unknown[0]}"
            yield finding("jobs_unknown", text, WARNING, todo, queue=name, jobs=unknown)


def many_failures(hour: Figures) -> list[Finding]:
    if hour.success is None or hour.runs < FEW_RUNS or hour.success >= POOR_SUCCESS:
        return []
    text = f"of {hour.runs:,} runs that ended in the last hour, {hour.failed:,} failed"
    return [finding("many_failures", text, WARNING, "see them: rota dead ls", runs=hour.runs, failed=hour.failed)]


def dead_letters(count: int) -> list[Finding]:
    if not count:
        return []
    text = f"{counted_up_to(count, 'run')} failed for good"
    return [finding("dead_letters", text, NOTE, "see them: rota dead ls", count=count)]


# --- what was left behind


def stray_leases(tx: Transaction, words: Words) -> Iterator[Finding]:
    """Holds that ran out long ago and were never given back."""
    for lease in leases.strays(tx, words.now - OLD_LEASE_US, SHOWN):
        since = words.distance(lease.expires_at)
        text = f"{lease.name} ran out {since} in the hands of {lease.holder}, who died; the next one takes it"
        yield finding("stray_lease", text, WARNING, lease=lease.name, holder=lease.holder, expires_at=lease.expires_at)


def stray_runs(tx: Transaction) -> list[Finding]:
    """Those of nodes that nobody knows any more."""
    ids = runs.strays(tx, SHOWN)
    if not ids:
        return []
    text = f"runs of nodes that are not in the ledger: {', '.join(map(str, ids))}"
    todo = "no node will bring them back; give them up: rota run cancel, or report it"
    return [finding("stray_runs", text, PROBLEM, todo, runs=ids)]
