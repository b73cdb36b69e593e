"""The captured log lines of the ledger, by run and attempt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.store.database import Transaction


def save(tx: Transaction, lines: Sequence[tuple[int, int, str]]) -> None:
    """Run, attempt, and all of its lines so far."""
    tx.over("logs.save", lines)


def of_run(tx: Transaction, run_id: int) -> dict[int, str]:
    """The lines of each attempt that wrote any."""
    return {attempt: lines for attempt, lines in tx.all("logs.of_run", run_id=run_id)}


def delete(tx: Transaction, run_ids: Iterable[int]) -> None:
    tx.over("logs.delete", [(run_id,) for run_id in run_ids])
