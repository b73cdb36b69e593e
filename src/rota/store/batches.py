"""The batches of the ledger: how many of a run's children are over, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rota.errors import StoreError
from rota.model.batch import Batch
from rota.store.database import Transaction
from rota.store.rows import record


def add(
    tx: Transaction, *, parent_run_id: int, job: str, total: int, then_job: str | None, then_arguments: str, now: int
) -> int:
    """Returns its id."""
    row = tx.one(
        "batches.add",
        parent_run_id=parent_run_id,
        job=job,
        total=total,
        then_job=then_job,
        then_arguments=then_arguments,
        now=now,
    )
    if row is None:
        raise StoreError("the batch could not be made")
    return int(row[0])


def count(tx: Transaction, ended: Mapping[int, Counter[str]]) -> None:
    """Add to the counts of batches: by batch id, how many children succeeded, failed, were cancelled."""
    rows = [(batch, n["succeeded"], n["failed"], n["cancelled"]) for batch, n in ended.items()]
    if rows:
        tx.over("batches.count", rows)


def ripe(tx: Transaction, limit: int) -> list[int]:
    """Those whose children are over, and that nobody has completed."""
    return [batch for (batch,) in tx.all("batches.ripe", limit=limit)]


def complete(tx: Transaction, ripe: Sequence[int], now: int) -> list[Batch]:
    """Of these: each is given to one caller only, who runs what follows."""
    return [record(Batch, row) for row in tx.over("batches.complete", [(each,) for each in ripe], now=now)]


def get(tx: Transaction, batch_id: int) -> Batch | None:
    row = tx.one("batches.get", id=batch_id)
    return record(Batch, row) if row else None


def prune(tx: Transaction, before: int, limit: int) -> int:
    return tx.run("batches.prune", before=before, limit=limit)


def drop_next_steps(tx: Transaction) -> None:
    """Nothing follows any more when the batches that are not over come to their end."""
    tx.run("batches.drop_next_steps")
