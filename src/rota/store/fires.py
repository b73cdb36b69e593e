"""The fires of the ledger: the verdict on each due moment."""

from __future__ import annotations

from rota.model.fire import FireRecord
from rota.store.database import Transaction, record


def page(tx: Transaction, schedule: str, before: int | None = None, limit: int = 50) -> list[FireRecord]:
    """Newest first."""
    return [record(FireRecord, row) for row in tx.all("fires.page", schedule=schedule, before=before, limit=limit)]


def at(tx: Transaction, schedule: str, moment: int) -> list[FireRecord]:
    """The verdicts whose moment, or range of moments, holds this one; nearest first."""
    return [record(FireRecord, row) for row in tx.all("fires.at", schedule=schedule, moment=moment)]


def of_run(tx: Transaction, run_id: int) -> FireRecord | None:
    row = tx.one("why.fire_of_run", id=run_id)
    return record(FireRecord, row) if row else None
