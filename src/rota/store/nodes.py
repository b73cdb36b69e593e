"""The nodes of the ledger and the heartbeats of their duties."""

from __future__ import annotations

from dataclasses import dataclass

from rota.model.node import NodeRecord
from rota.store.database import Transaction, record

GONE_SHOWN_US = 3_600_000_000
"""Nodes that stopped or were lost are listed for an hour more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRecord:
    """A duty's own heartbeat; ``patience`` is how old it may be, in microseconds, before somebody should look."""

    node: str
    name: str
    ticked_at: int | None
    failed_at: int | None
    error: str | None
    patience: int

    def stale(self, now_us: int) -> bool:
        return self.ticked_at is None or now_us - self.ticked_at > self.patience


def all_nodes(tx: Transaction, now_us: int, limit: int = 200) -> list[NodeRecord]:
    """Those alive and those gone within the last hour, newest first."""
    rows = tx.all("nodes.all", gone_after=now_us - GONE_SHOWN_US, limit=limit)
    return [record(NodeRecord, row) for row in rows]


def duties(tx: Transaction) -> list[DutyRecord]:
    return [record(DutyRecord, row) for row in tx.all("nodes.duties")]
