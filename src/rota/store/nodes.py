"""The nodes of the ledger and the heartbeats of their duties."""

from __future__ import annotations

from collections import defaultdict

from rota.model.node import DutyRecord, NodeRecord, NodeStatus, state_of
from rota.store.database import Transaction, record

GONE_SHOWN_US = 3_600_000_000
"""Nodes that stopped or were lost are listed for an hour more."""


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


def duties(tx: Transaction) -> list[DutyRecord]:
    return [record(DutyRecord, row) for row in tx.all("nodes.duties")]
