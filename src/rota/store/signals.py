"""The signals of the ledger: what came for runs that wait, or will wait, and the waits whose time was up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.model.signal import SignalRecord
from rota.store.database import Transaction
from rota.store.rows import as_row, record


def add(tx: Transaction, signals: Sequence[SignalRecord]) -> set[int]:
    """Returns the runs that had none of that name; of any other, the first stays."""
    return {run_id for (run_id,) in tx.over("signals.add", [as_row(each) for each in signals])}


def get(tx: Transaction, run_id: int, name: str) -> SignalRecord | None:
    row = tx.one("signals.get", run_id=run_id, name=name)
    return record(SignalRecord, row) if row else None


def of_run(tx: Transaction, run_id: int) -> list[SignalRecord]:
    """In the order in which they came."""
    return [record(SignalRecord, row) for row in tx.all("signals.of_run", run_id=run_id)]


def forget_time_outs(tx: Transaction, run_id: int) -> None:
    """What nobody answered is asked again."""
    tx.run("signals.forget_time_outs", run_id=run_id)


def delete(tx: Transaction, run_ids: Iterable[int]) -> None:
    tx.over("signals.delete", [(run_id,) for run_id in run_ids])
