"""The queues of the ledger, and what their limits allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rota.model.queue import QueueRecord, QueueStatus, QueueWork
from rota.model.rate import Rate
from rota.store.database import Transaction
from rota.store.rows import record

COUNT_CAP = 10_000
"""No page counts further than this."""


def ensure(tx: Transaction, names: Iterable[str]) -> None:
    """A queue comes to be when something is first put into it, or when somebody speaks of it."""
    tx.over("queues.ensure", [(name,) for name in sorted(names)])


def survey(tx: Transaction, host: str) -> list[QueueWork]:
    """The queues that are not paused: each once for any host, and once for this one."""
    found = []
    for name, of_host, concurrency, rate, work, shared, suspects in tx.all("queues.survey", host=host):
        limited = bool(shared) or concurrency is not None or rate is not None
        found.append(
            QueueWork(
                name, of_host, concurrency, Rate.parse(rate) if rate else None, bool(work), limited, bool(suspects)
            )
        )
    return found


def all_queues(tx: Transaction) -> list[QueueRecord]:
    return [record(QueueRecord, row) for row in tx.all("queues.all")]


def filled(tx: Transaction) -> list[QueueStatus]:
    """All queues, with what is in them."""
    runs, later = running(tx), scheduled(tx)
    return [_filled(tx, record, runs, later) for record in all_queues(tx)]


def _filled(tx: Transaction, record: QueueRecord, running: dict[str, int], scheduled: dict[str, int]) -> QueueStatus:
    count, oldest = waiting(tx, record.name)
    return QueueStatus(
        record=record,
        waiting=count,
        held=held(tx, record.name),
        running=running.get(record.name, 0),
        scheduled=scheduled.get(record.name, 0),
        oldest_due_at=oldest,
    )


def get(tx: Transaction, name: str) -> QueueRecord | None:
    row = tx.one("queues.get", name=name)
    return record(QueueRecord, row) if row else None


def pause(tx: Transaction, name: str, now: int, *, by: str, why: str | None) -> bool:
    """False: it is paused already."""
    return tx.run("queues.pause", name=name, now=now, by=by, why=why) == 1


def resume(tx: Transaction, name: str) -> bool:
    """False: it is not paused."""
    return tx.run("queues.resume", name=name) == 1


def limit(tx: Transaction, name: str, concurrency: int | None, rate: str | None) -> bool:
    """False: there is no such queue."""
    return tx.run("queues.limit", name=name, concurrency=concurrency, rate=rate) == 1


# What is in them; counts stop at a cap, as a page must not scan a million rows.


def waiting(tx: Transaction, name: str, cap: int = COUNT_CAP) -> tuple[int, int | None]:
    """How many of its runs wait for a worker, and since when the oldest of them is due."""
    count, oldest = tx.one("queues.waiting", name=name, cap=cap) or (0, None)
    return count, oldest


def waiting_of(tx: Transaction, name: str, jobs: Iterable[str], cap: int = COUNT_CAP) -> tuple[int, int | None]:
    """As ``waiting``, of these jobs alone, and of runs that any host may do."""
    found = tx.over("queues.waiting_of", [(job,) for job in jobs], name=name, cap=cap)
    count, oldest = found[0] if found else (0, None)
    return count, oldest


def held(tx: Transaction, name: str, cap: int = COUNT_CAP) -> int:
    """How many of its runs are set aside by a limit."""
    return int((tx.one("queues.held", name=name, cap=cap) or (0,))[0])


def running(tx: Transaction) -> dict[str, int]:
    """By queue."""
    return {name: count for name, count in tx.all("queues.running")}


def scheduled(tx: Transaction, cap: int = COUNT_CAP) -> dict[str, int]:
    """By queue."""
    return {name: count for name, count in tx.all("queues.scheduled", cap=cap)}


# Counting for limits.


def lock_limits(tx: Transaction) -> None:
    """Be the only one, over all nodes, that counts and claims under limits until the transaction ends."""
    tx.one("queues.lock_limits")


def buckets(tx: Transaction, names: Iterable[str]) -> dict[str, int]:
    """The moments at which rate limits are full again, of those that were ever used."""
    return {name: full_at for name, full_at in tx.over("queues.buckets", [(name,) for name in names])}


def not_full(tx: Transaction, now: int) -> dict[str, int]:
    """The moments at which rate limits are full again, of those that are not."""
    return {name: full_at for name, full_at in tx.all("queues.not_full", now=now)}


def save_buckets(tx: Transaction, full_at: Mapping[str, int]) -> None:
    if full_at:
        tx.over("queues.save_buckets", list(full_at.items()))
