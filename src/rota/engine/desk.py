"""The ledger's answers to what a body asks while it runs, each guarded by the attempt's fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rota.engine.enqueue import Enqueuer, Origin, insert_alike
from rota.engine.lease import Lock
from rota.engine.line import Line, let_go, limits_of
from rota.model import payload
from rota.model.arguments import check_arguments
from rota.model.attempt import Envelope
from rota.model.event import run_event
from rota.model.options import Options
from rota.model.signal import Signal
from rota.model.step import StepRecord
from rota.store import Store, attempts, batches, runs, signals, steps
from rota.store.database import WorkKind


class LedgerDesk:
    """The ``Desk`` of every body that can reach the database."""

    def __init__(self, store: Store, enqueuer: Enqueuer) -> None:
        self._store = store
        self._enqueuer = enqueuer

    def save_checkpoint(self, envelope: Envelope, text: str, connection: Any) -> bool:
        if connection is not None:
            return attempts.save_checkpoint(self._store.joined(connection), *_fence(envelope), text)
        with self._store.write() as tx:
            return attempts.save_checkpoint(tx, *_fence(envelope), text)

    def find_signal(self, envelope: Envelope, name: str) -> Signal | None:
        with self._store.read() as tx:
            found = signals.get(tx, envelope.id, name)
        return None if found is None else found.signal

    def find_step(self, envelope: Envelope, name: str) -> StepRecord | None:
        with self._store.read() as tx:
            return steps.get(tx, envelope.id, name)

    def keep_step(self, envelope: Envelope, name: str, result: str | None, error: str | None) -> bool:
        now = self._store.now_us()
        step = StepRecord(run_id=envelope.id, name=name, attempt=envelope.attempt, at=now, result=result, error=error)
        with self._store.write() as tx:
            if not attempts.lock(tx, *_fence(envelope)):
                return False
            steps.add(tx, step)
        return True

    def fan_out(
        self,
        envelope: Envelope,
        job: str,
        items: Sequence[Mapping[str, Any]],
        then: str | None,
        then_arguments: Mapping[str, Any],
    ) -> int | None:
        child = self._enqueuer.job(job)
        if then is not None:
            check_arguments(self._enqueuer.job(then), {**then_arguments, "batch": None})
        now = self._store.now_us()
        text = payload.dump(then_arguments, "then_arguments")
        with self._store.write() as tx:
            if not attempts.lock(tx, *_fence(envelope)):
                return None
            batch = batches.add(
                tx,
                parent_run_id=envelope.id,
                job=child.name,
                total=len(items),
                then_job=then,
                then_arguments=text,
                now=now,
            )
            options, origin = Options(by=f"run:{envelope.id}"), Origin(batch_id=batch)
            pattern, rows = self._enqueuer.alike(child, items, now, options, origin)
            limits = limits_of((key for _, key in rows), child)
            line = Line(tx, pattern.queue, runs.turn_of(pattern), limits)
            insert_alike(tx, pattern, rows, line)
            tx.announce({WorkKind(child.queue, child.name): len(items)})
        let_go(self._store, line.waiting)
        return batch

    def emit(self, envelope: Envelope, kind: str, data: Mapping[str, Any]) -> None:
        with self._store.write() as tx:
            event = run_event(kind, envelope.id, self._store.now_us(), data={"job": envelope.job, **data})
            tx.events.append(event)

    def lock(self, name: str, ttl: float, wait: float) -> AbstractContextManager[Any]:
        return Lock(self._store, name, ttl, wait)


def _fence(envelope: Envelope) -> tuple[int, int, str]:
    return *envelope.key, envelope.node
