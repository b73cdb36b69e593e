"""The queues of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rota.model.rate import Rate
from rota.store.database import Transaction, record

COUNT_CAP = 10_000
"""No page counts further than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """A queue; ``rate`` is text such as ``100/m``, moments are microseconds of UTC."""

    name: str
    concurrency: int | None
    rate: str | None
    paused_at: int | None
    paused_by: str | None
    paused_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue and what is in it; counts stop at ``COUNT_CAP``. ``oldest_due_at``: of those that wait for a worker."""

    record: QueueRecord
    waiting: int
    held: int
    running: int
    scheduled: int
    oldest_due_at: int | None


@dataclass(frozen=True, slots=True)
class QueueWork:
    """A queue that is not paused.

    ``work``: it has runs to claim; ``limited``: claiming them takes counting; ``suspects``: some are to be done alone.
    """

    name: str
    concurrency: int | None
    rate: Rate | None
    work: bool
    limited: bool
    suspects: bool

    @property
    def bucket(self) -> str:
        return bucket(self.name)


def bucket(queue: str) -> str:
    """The name under which a queue's own rate is counted."""
    return f"queue:{queue}"


def survey(tx: Transaction) -> list[QueueWork]:
    """The queues that are not paused."""
    found = []
    for name, concurrency, rate, work, shared, suspects in tx.all("queues.survey"):
        limited = bool(shared) or concurrency is not None or rate is not None
        found.append(
            QueueWork(name, concurrency, Rate.parse(rate) if rate else None, bool(work), limited, bool(suspects))
        )
    return found


def all_queues(tx: Transaction) -> list[QueueRecord]:
    return [record(QueueRecord, row) for row in tx.all("queues.all")]


def filled(tx: Transaction) -> list[QueueStatus]:
    """All queues, with what is in them."""
    running = {name: count for name, count in tx.all("queues.running")}
    scheduled = {name: count for name, count in tx.all("queues.scheduled", cap=COUNT_CAP)}
    return [_filled(tx, record, running, scheduled) for record in all_queues(tx)]


def _filled(tx: Transaction, record: QueueRecord, running: dict[str, int], scheduled: dict[str, int]) -> QueueStatus:
    waiting, oldest = tx.one("queues.waiting", name=record.name, cap=COUNT_CAP) or (0, None)
    held = (tx.one("queues.held", name=record.name, cap=COUNT_CAP) or (0,))[0]
    return QueueStatus(
        record=record,
        waiting=waiting,
        held=held,
        running=running.get(record.name, 0),
        scheduled=scheduled.get(record.name, 0),
        oldest_due_at=oldest,
    )


def buckets(tx: Transaction, names: Iterable[str]) -> dict[str, int]:
    """The moments at which rate limits are full again, of those that were ever used."""
    return {name: full_at for name, full_at in tx.rows("queues.buckets", [(name,) for name in names])}


def get(tx: Transaction, name: str) -> QueueRecord | None:
    row = tx.one("queues.get", name=name)
    return record(QueueRecord, row) if row else None
