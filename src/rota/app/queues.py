"""Looking at queues and steering them, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from rota.errors import ConflictError, NotFoundError
from rota.explain import rates
from rota.model.edge import Count, checked
from rota.model.event import Event
from rota.model.policy import RATE
from rota.model.queue import QueueRecord, QueueStatus
from rota.store import Store, Transaction, queues


@checked
class Queues:
    """``rota.queues``: list, pause, resume, limit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[QueueStatus]:
        with self._store.read() as tx:
            return rates.filled(tx, self._store.now_us())

    def get(self, name: str) -> QueueRecord:
        with self._store.read() as tx:
            return _found(queues.get(tx, name), name)

    def pause(self, name: str, by: str, why: str | None = None) -> None:
        """No run of the queue starts until it is resumed; running ones go on.

        Raises ``ConflictError`` if it is paused.
        """
        self._change(
            name,
            "queue.paused",
            by,
            lambda tx, now: queues.pause(tx, name, now, by=by, why=why),
            "is paused already",
            why=why,
        )

    def resume(self, name: str, by: str) -> None:
        self._change(name, "queue.resumed", by, lambda tx, _: queues.resume(tx, name), "is not paused")

    def limit(self, name: str, by: str, concurrency: Count | None, rate: Annotated[str, RATE] | None) -> None:
        """How many of its runs may run at once and start in a time, over all nodes; ``None``: any number."""
        limits = {"concurrency": concurrency, "rate": rate}
        self._change(name, "queue.limited", by, lambda tx, _: queues.limit(tx, name, concurrency, rate), "", **limits)

    def _change(
        self, name: str, kind: str, by: str, change: Callable[[Transaction, int], bool], conflict: str, **data: object
    ) -> None:
        now = self._store.now_us()
        with self._store.write() as tx:
            _found(queues.get(tx, name), name)
            if not change(tx, now):
                raise ConflictError(f"queue {name!r} {conflict}")
            tx.events.append(Event(at=now, kind=kind, subject=f"queue:{name}", actor=by, data=data))
            tx.announce()


def _found(record: QueueRecord | None, name: str) -> QueueRecord:
    if record is None:
        raise NotFoundError(f"there is no queue {name!r}", hint="See them all: rota queue ls")
    return record
