"""The fires of the ledger: the verdict on each due moment."""

from __future__ import annotations

from collections.abc import Sequence

from rota.model.fire import FireRecord, NewFire
from rota.store.database import Transaction
from rota.store.rows import record


def add(tx: Transaction, fires: Sequence[NewFire], now: int, node: str | None = None) -> dict[tuple[str, int], int]:
    """Write verdicts down. Returns the ids of those that are new, by schedule and moment: each moment has one verdict.

    ``node`` is ``None`` where a person decided.
    """
    rows = tx.over("fires.add", fires, now=now, node=node) if fires else []
    return {(schedule, due_at): fire_id for fire_id, schedule, due_at in rows}


def page(tx: Transaction, schedule: str, before: int | None = None, limit: int = 50) -> list[FireRecord]:
    """Newest first."""
    return [record(FireRecord, row) for row in tx.all("fires.page", schedule=schedule, before=before, limit=limit)]


def at(tx: Transaction, schedule: str, moment: int) -> list[FireRecord]:
    """The verdicts whose moment, or range of moments, holds this one; nearest first."""
    return [record(FireRecord, row) for row in tx.all("fires.at", schedule=schedule, moment=moment)]


def of_run(tx: Transaction, run_id: int) -> FireRecord | None:
    row = tx.one("fires.of_run", run_id=run_id)
    return record(FireRecord, row) if row else None


def states(tx: Transaction, fire_id: int) -> dict[str, int]:
    """How many of its runs are in each state."""
    return {state: count for state, count in tx.all("fires.states", fire_id=fire_id)}


def prune(tx: Transaction, before: int, limit: int) -> int:
    """Returns how many went."""
    return tx.run("fires.prune", before=before, limit=limit)
