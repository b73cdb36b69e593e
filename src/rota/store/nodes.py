"""The nodes of the ledger and the heartbeats of their duties."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from rota.model.host import HostNodes
from rota.model.node import Blocked, DutyRecord, NewNode, NodeProcess, NodeRecord, NodeStatus, Slots, state_of
from rota.store.database import Transaction, WorkKind
from rota.store.rows import as_row, record

GONE_SHOWN_US = 3_600_000_000
"""Nodes that stopped or were lost are listed for an hour more."""


def register(tx: Transaction, node: NewNode, now: int, lease_until: int) -> None:
    parameters = dict(zip(node.__slots__, as_row(node), strict=True))
    tx.run("nodes.register", **parameters, now=now, lease_until=lease_until)


def beat(
    tx: Transaction, node: str, *, now: int, lease_until: int, running: int, slots: Slots, rss: int | None
) -> tuple[bool, bool]:
    """Extend a node's lease. Returns whether it had not been given up for lost, and whether it is to drain."""
    work = {"running": running, "slots": slots.number, "slots_busy": slots.busy, "rss": rss}
    row = tx.one("nodes.beat", id=node, now=now, lease_until=lease_until, **work)
    return row is not None, row is not None and row[0] is not None


def seen_at(tx: Transaction, node: str) -> int | None:
    """The moment of its last heartbeat; ``None``: there is no such node."""
    row = tx.one("nodes.seen_at", id=node)
    return None if row is None else int(row[0])


def stop(tx: Transaction, node: str, now: int) -> None:
    tx.run("nodes.stop", id=node, now=now)


def drain(tx: Transaction, node: str, now: int) -> bool:
    """Ask it to finish and stop. False: there is no such node, it is gone, or was asked before."""
    return tx.run("nodes.drain", id=node, now=now) == 1


def lapsed(tx: Transaction, now: int, asking: str) -> list[str]:
    """Nodes whose lease has run out; the one that asks is none of them."""
    return [node for (node,) in tx.all("nodes.lapsed", now=now, asking=asking)]


def alive(tx: Transaction) -> list[NodeProcess]:
    """Neither stopped nor given up for lost."""
    return [record(NodeProcess, row) for row in tx.all("nodes.alive")]


def by_host(tx: Transaction, host: str | None = None) -> list[HostNodes]:
    """Of all hosts, or of one: also those that are gone, as long as their nodes are kept."""
    return [HostNodes._make(row) for row in tx.all("nodes.by_host", host=host)]


def that_do(tx: Transaction, kind: WorkKind) -> list[tuple[str, bool]]:
    """On PostgreSQL: who may do such work, and whether each was full when it last wrote."""
    return [(node, bool(is_full)) for node, is_full in tx.all("nodes.that_do", **kind._asdict())]


def lose(tx: Transaction, node: str, now: int, lease_until: int) -> bool:
    """Give it up for lost, unless its lease was extended beyond ``lease_until``: from then on, it is refused."""
    return tx.run("nodes.lose", id=node, now=now, lease_until=lease_until) == 1


def gone_with_runs(tx: Transaction) -> list[str]:
    """Lost nodes that a rescue was cut short on, and stopped ones that left something behind."""
    return [node for (node,) in tx.all("nodes.gone_with_runs")]


def survey(tx: Transaction, now_us: int, limit: int = 200) -> list[NodeStatus]:
    """Those alive and those gone within the last hour, newest first, with their duties."""
    by_node: dict[str, list[DutyRecord]] = defaultdict(list)
    for duty in duties(tx):
        by_node[duty.node].append(duty)
    return [_status(record, by_node.get(record.id, []), now_us) for record in all_nodes(tx, now_us, limit)]


def _status(record: NodeRecord, duties: list[DutyRecord], now_us: int) -> NodeStatus:
    stale = tuple(duty for duty in duties if duty.stale(now_us, record.started_at))
    return NodeStatus(record=record, state=state_of(record, now_us), duties=tuple(duties), stale=stale)


def all_nodes(tx: Transaction, now_us: int, limit: int = 200) -> list[NodeRecord]:
    """Those alive and those gone within the last hour, newest first."""
    rows = tx.all("nodes.all", gone_after=now_us - GONE_SHOWN_US, limit=limit)
    return [record(NodeRecord, row) for row in rows]


def get(tx: Transaction, node: str) -> NodeRecord | None:
    row = tx.one("nodes.get", id=node)
    return record(NodeRecord, row) if row else None


def save_duties(tx: Transaction, node: str, duties: Sequence[DutyRecord]) -> None:
    """The heartbeats of a node's duties."""
    if duties:
        tx.over("nodes.save_duties", [as_row(duty)[1:] for duty in duties], node=node)


def save_blocking(tx: Transaction, node: str, blocked: Blocked | None) -> None:
    """Which body keeps its event loop for itself."""
    tx.run("nodes.save_blocking", id=node, blocking=None if blocked is None else json.dumps(asdict(blocked)))


def duties(tx: Transaction) -> list[DutyRecord]:
    """Of the nodes that have not stopped; of a lost one, as it left them."""
    return [record(DutyRecord, row) for row in tx.all("nodes.duties")]


def prune(tx: Transaction, before: int) -> None:
    """With their duties; one that left a run behind stays until that is rescued."""
    tx.run("nodes.prune", before=before)
    tx.run("nodes.prune_duties")
