"""The attempts of the ledger: what one under way asks and writes down, and those that did not succeed.

The fence of an attempt is its run's id, its claim and its node: of one that has lost its run, nothing is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rota.model.run import AttemptRecord, Progress, RunRecord
from rota.store.database import Transaction
from rota.store.rows import as_row, record


def under_way(tx: Transaction, node: str) -> set[tuple[int, int]]:
    """Run and claim of each attempt that the ledger says a node is at."""
    return {(run_id, claim) for run_id, claim in tx.all("attempts.under_way", node=node)}


def cancel_requests(tx: Transaction, node: str) -> dict[tuple[int, int], str | None]:
    """The attempts of a node that somebody has asked to stop, and who did."""
    return {(run_id, claim): by for run_id, claim, by in tx.all("attempts.cancel_requests", node=node)}


def lock(tx: Transaction, run_id: int, claim: int, node: str) -> bool:
    """Whether the attempt still has its run, which then nobody takes from it before the transaction ends."""
    return tx.one("attempts.lock", id=run_id, claim=claim, node=node) is not None


def save_checkpoint(tx: Transaction, run_id: int, claim: int, node: str, checkpoint: str) -> bool:
    """False: the attempt has lost its run."""
    return tx.run("attempts.save_checkpoint", id=run_id, claim=claim, node=node, checkpoint=checkpoint) == 1


def save_progress(tx: Transaction, node: str, progress: Iterable[Progress]) -> None:
    tx.over("attempts.save_progress", [as_row(each) for each in progress], node=node)


def add(tx: Transaction, attempts: Sequence[AttemptRecord]) -> None:
    """Those that did not succeed."""
    tx.over("attempts.add", [as_row(attempt) for attempt in attempts])


def ended_by(tx: Transaction, node: str, ends: Iterable[tuple[int, int, int, str]]) -> dict[int, str]:
    """Which of these attempts (run, claim, number, how it ended) the ledger has ended just so, and the run's state now.

    For whoever told it to the ledger before, and never heard the answer.
    """
    return {run_id: state for run_id, state in tx.over("attempts.ended_by", list(ends), node=node)}


def of_run(tx: Transaction, run: RunRecord) -> list[AttemptRecord]:
    """Every attempt that began, in order. The one under way, and the one that ended well, have no row of their own."""
    kept = [record(AttemptRecord, row) for row in tx.all("attempts.of_run", run_id=run.id)]
    own = run.own_attempt()
    return kept if own is None or any(own.number == each.number for each in kept) else [*kept, own]


def delete(tx: Transaction, run_ids: Iterable[int]) -> None:
    tx.over("attempts.delete", [(run_id,) for run_id in run_ids])
