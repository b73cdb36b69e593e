"""Makes claimable what has come due: scheduled runs, runs held for a time, and what follows a finished batch."""

from __future__ import annotations

import json
import logging
from typing import Any

from rota.engine.enqueue import Enqueuer
from rota.errors import RotaError
from rota.model.event import Event
from rota.model.node import NodeSettings
from rota.model.options import Options
from rota.store import Store, Transaction, runs
from rota.store.database import Row

logger = logging.getLogger("rota.engine")
AT_ONCE = 1_000
SWEEP_SECONDS = 5.0


class Stager:
    """The duty that turns waiting into work."""

    name = "stager"

    def __init__(self, store: Store, enqueuer: Enqueuer, settings: NodeSettings) -> None:
        self.interval = settings.poll
        self._store = store
        self._enqueuer = enqueuer
        self._poll = settings.poll
        self._swept_at: int | None = None

    def tick(self) -> bool:
        now = self._store.now_us()
        with self._store.read() as tx:
            next_at = min((at for at in self._next_moments(tx) if at is not None), default=None)
            open_batches = tx.one("runs.ripe_batch") is not None
        self.interval = self._poll if next_at is None else max(0.001, min(self._poll, (next_at - now) / 1_000_000))
        more = self._stage(now) if next_at is not None and next_at <= now else False
        if open_batches:
            self._complete_batches(now)
        self._sweep_now_and_then(now)
        return more

    def _next_moments(self, tx: Transaction) -> list[int | None]:
        return [row[0] for row in (tx.one("runs.next_due"), tx.one("runs.next_release")) if row]

    def _stage(self, now: int) -> bool:
        with self._store.write() as tx:
            staged = len(tx.all("runs.stage", now=now, limit=AT_ONCE))
            released = len(tx.all("runs.release_timed", now=now, limit=AT_ONCE))
            if staged or released:
                tx.announce()
        return bool(staged or released)

    def _complete_batches(self, now: int) -> None:
        with self._store.write() as tx:
            done = tx.all("runs.complete_batches", now=now)
            tx.told += [self._follow(tx, row, now) for row in done]
            if done:
                tx.announce()

    def _follow(self, tx: Transaction, row: Row, now: int) -> Event:
        batch_id, job, total, succeeded, failed, cancelled, then_job, then_arguments, parent = row
        counts: dict[str, Any] = {
            "id": batch_id,
            "total": total,
            "succeeded": succeeded,
            "failed": failed,
            "cancelled": cancelled,
        }
        if then_job is not None:
            arguments = {**json.loads(then_arguments), "batch": counts}
            try:
                run = self._enqueuer.new_run_by_name(then_job, arguments, now, Options(by=f"batch:{batch_id}"))
            except RotaError as error:  # the job's arguments have changed meanwhile: no reason to hold up other batches
                logger.warning("batch %d: %s cannot follow: %s", batch_id, then_job, error)
                counts["error"] = f"{then_job} cannot follow: {error}"
            else:
                runs.insert(tx, [run])
        return Event(
            at=now,
            kind="batch.finished",
            subject=f"batch:{batch_id}",
            run_id=parent,
            data={"job": job, **counts},
        )

    def _sweep_now_and_then(self, now: int) -> None:
        """Runs that wait for a shared limit nobody uses any more: a crash between two commits could leave them so."""
        if self._swept_at is not None and now - self._swept_at < SWEEP_SECONDS * 1_000_000:
            return
        self._swept_at = now
        with self._store.read() as tx:
            waited_for = {key: (count, held) for key, count, held in tx.all("runs.held_keys")}
        if not waited_for:
            return
        with self._store.write() as tx:
            running = runs.running_by_key(tx, waited_for)
            free = {key: count - running.get(key, 0) for key, (count, _) in waited_for.items()}
            free = {key: slots for key, slots in free.items() if slots > 0}
            if free:
                runs.release_keys(tx, free)
                tx.announce()
