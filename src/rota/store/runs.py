"""The runs of the ledger: every move a run can make, each guarded by what it expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rota.model.run import AttemptRecord, Claim, NewRun, RunRecord
from rota.store.database import Row, Transaction, record


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The end of an attempt that did not succeed, or does not count. Field order is the column order of ``settle``."""

    id: int
    attempt: int
    state: str
    due_at: int
    started_at: int | None
    finished_at: int | None
    error: str | None
    failures: int
    peak_rss: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """A row of an attempt; the one that succeeds needs none. Field order is the column order of ``add_attempts``."""

    run_id: int
    number: int
    node: str | None
    started_at: int | None
    finished_at: int | None
    outcome: str
    error: str | None
    traceback: str | None


def insert(tx: Transaction, runs: Sequence[NewRun]) -> list[int]:
    """Insert runs and return the ids of those that are new, in order; one whose unique key is taken is left out."""
    return sorted(row[0] for row in tx.rows("runs.insert", [run.row() for run in runs]))


def insert_alike(tx: Transaction, pattern: NewRun, rows: Sequence[tuple[str, str | None]]) -> list[int]:
    """Insert a run like ``pattern`` for each (arguments, limit key), without a unique key; returns the ids in order."""
    return sorted(row[0] for row in tx.rows("runs.insert_alike", rows, **pattern.parameters()))


def insert_one(tx: Transaction, run: NewRun) -> tuple[int, bool]:
    """Insert a run, or find the unfinished one that holds its unique key. Returns the id, and whether it is new."""
    while True:
        if row := tx.one("runs.insert_one", **run.parameters()):
            return int(row[0]), True
        if row := tx.one("runs.by_unique_key", unique_key=run.unique_key):
            return int(row[0]), False


def debounce(tx: Transaction, run: NewRun) -> tuple[int, bool]:
    """Put off the waiting run of the same key, with the new arguments, or insert one."""
    for _ in range(2):  # twice, for whoever enqueues the same at this very moment: the later call's arguments count
        row = tx.one("runs.debounce", unique_key=run.unique_key, due_at=run.due_at, arguments=run.arguments)
        if row:
            return int(row[0]), False
        if row := tx.one("runs.insert_one", **run.parameters()):
            return int(row[0]), True
    return insert_one(tx, run)


def claim(tx: Transaction, queue: str, node: str, limit: int, now: int, avoid: Iterable[str] = ()) -> list[Claim]:
    """Take runs that share no limit with others, most urgent first; none of the jobs to ``avoid``."""
    avoided = [(name,) for name in avoid]
    return _in_order(tx.rows("runs.claim", avoided, queue=queue, node=node, limit=limit, now=now))


def claim_chosen(tx: Transaction, ids: Iterable[int], node: str, now: int) -> list[Claim]:
    return _in_order(tx.rows("runs.claim_chosen", [(each,) for each in ids], node=node, now=now))


def _in_order(rows: list[Row]) -> list[Claim]:
    claims = [Claim._make(row) for row in rows]
    if len(claims) > 1:
        claims.sort(key=lambda claim: (claim.priority, claim.due_at, claim.id))
    return claims


def hand_back(tx: Transaction, node: str, attempts: Sequence[tuple[int, int]]) -> None:
    """Give claimed runs (id and attempt) that have not begun back to their queue."""
    tx.rows("runs.hand_back", attempts, node=node)
    tx.announce()


def running_by_key(tx: Transaction, keys: Iterable[str]) -> dict[str, int]:
    return {key: count for key, count in tx.rows("runs.running_by_key", [(key,) for key in keys])}


def release_keys(tx: Transaction, freed: Mapping[str, int]) -> None:
    """Let the next held runs of these keys try, as many as have ended."""
    for (key,) in sorted(tx.rows("runs.keys_with_held", [(key,) for key in freed])):  # in one order on every node
        tx.run("runs.release_key", key=key, limit=freed[key])


def succeed(tx: Transaction, node: str, rows: Sequence[Row]) -> set[int]:
    """End attempts well: rows of (id, attempt, started, finished, result, rss). Returns the ids that were accepted."""
    return {row[0] for row in tx.rows("runs.succeed", rows, node=node)}


def settle(tx: Transaction, node: str, ends: Sequence[Settled], now: int) -> dict[int, str]:
    """End attempts in any other way. Returns the states of those that were accepted, by id.

    A run that was to be tried again is ``cancelled`` instead where somebody has asked it to stop.
    """
    return {row[0]: row[1] for row in tx.rows("runs.settle", [_astuple(end) for end in ends], node=node, now=now)}


def add_attempts(tx: Transaction, attempts: Sequence[FailedAttempt]) -> None:
    tx.rows("runs.add_attempts", [_astuple(attempt) for attempt in attempts])


def attempts(tx: Transaction, run: RunRecord) -> list[AttemptRecord]:
    """Every attempt that began, in order. The one under way, and the one that ended well, have no row of their own."""
    kept = [record(AttemptRecord, row) for row in tx.all("runs.attempts", id=run.id)]
    own = run.own_attempt()
    return kept if own is None or any(own.number == each.number for each in kept) else [*kept, own]


def _astuple(record: Any) -> Row:
    return tuple(getattr(record, name) for name in record.__slots__)


def get(tx: Transaction, run_id: int) -> RunRecord | None:
    row = tx.one("runs.get", id=run_id)
    return record(RunRecord, row) if row else None


def page(
    tx: Transaction,
    *,
    state: str | None = None,
    job: str | None = None,
    queue: str | None = None,
    schedule: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[RunRecord]:
    """Newest first; ``before`` is the id to go on from."""
    if state == "failed" and queue is None and schedule is None:
        return [record(RunRecord, row) for row in tx.all("runs.failed_page", job=job, before=before, limit=limit)]
    rows = tx.all("runs.page", state=state, job=job, queue=queue, schedule=schedule, before=before, limit=limit)
    return [record(RunRecord, row) for row in rows]


def count_batches(tx: Transaction, ended: Mapping[int, Counter[str]]) -> None:
    """Add to the counts of batches: by batch id, how many children succeeded, failed, were cancelled."""
    rows = [(batch, n["succeeded"], n["failed"], n["cancelled"]) for batch, n in ended.items()]
    if rows:
        tx.rows("runs.count_batch", rows)
