"""The steps of the ledger: what each part of a body returned, kept so that it is not done twice."""

from __future__ import annotations

from collections.abc import Iterable

from rota.model.step import StepRecord
from rota.store.database import Transaction
from rota.store.rows import as_row, record


def add(tx: Transaction, step: StepRecord) -> None:
    """The caller holds the run, so that there is no other of its name."""
    tx.run("steps.add", **dict(zip(step.__slots__, as_row(step), strict=True)))


def get(tx: Transaction, run_id: int, name: str) -> StepRecord | None:
    row = tx.one("steps.get", run_id=run_id, name=name)
    return record(StepRecord, row) if row else None


def of_run(tx: Transaction, run_id: int) -> list[StepRecord]:
    """In the order in which they were done."""
    return [record(StepRecord, row) for row in tx.all("steps.of_run", run_id=run_id)]


def delete(tx: Transaction, run_ids: Iterable[int]) -> None:
    tx.over("steps.delete", [(run_id,) for run_id in run_ids])
