"""Makes claimable what has come due or waited long enough, ends what can begin no more in time, and makes what follows
a finished batch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from rota.engine import signals
from rota.engine.apart import each_apart
from rota.engine.enqueue import Enqueuer
from rota.engine.expiry import expire
from rota.engine.hosts import expire_kept
from rota.engine.line import let_go, waits_for
from rota.errors import RotaError
from rota.model.batch import Batch
from rota.model.event import Event
from rota.model.node import NodeSettings
from rota.model.options import Options
from rota.model.payload import storable
from rota.model.run import Held
from rota.store import Store, Transaction, batches, runs, schedules

logger = logging.getLogger("rota.engine")
AT_ONCE = 1_000
SWEEP_SECONDS = 5.0


class Stager:
    """The duty that turns waiting into work."""

    name = "stager"

    def __init__(self, store: Store, enqueuer: Enqueuer, settings: NodeSettings, shard: int) -> None:
        self.interval = settings.poll
        self._store = store
        self._enqueuer = enqueuer
        self._poll = settings.poll
        self._shard = shard
        self._swept_at: int | None = None
        self._swept_up_to = ""

    def tick(self) -> bool:
        now = self._store.now_us()
        with self._store.read() as tx:
            due_at, expires_at, waits_until = runs.next_moment(tx)
            ripe = batches.ripe(tx, AT_ONCE)
        self.interval = self._wait([due_at, expires_at, waits_until], now)
        more = signals.time_out(self._store, now, AT_ONCE) if waits_until is not None and waits_until <= now else False
        more = (self._expire(now) if expires_at is not None and expires_at <= now else False) or more
        more = (self._stage(now) if due_at is not None and due_at <= now else False) or more
        each_apart(ripe, lambda some: self._complete(some, now), lambda batch, error: self._give_up(batch, error, now))
        return self._sweep_now_and_then(now) or more

    def _wait(self, moments: Sequence[int | None], now: int) -> float:
        """Seconds until the first of these moments, or until the next poll."""
        waits = [(each - now) / 1_000_000 for each in moments if each is not None]
        return max(0.001, min(self._poll, *waits)) if waits else self._poll

    def _expire(self, now: int) -> bool:
        with self._store.write() as tx:
            return expire(tx, now, AT_ONCE, self._shard)

    def _stage(self, now: int) -> bool:
        with self._store.write() as tx:
            schedules.hold_due(tx, now)
            staged = runs.stage(tx, now, AT_ONCE)
            self._line_up(tx, staged, now)
        return bool(staged)

    def _line_up(self, tx: Transaction, staged: list[tuple[int, str | None]], now: int) -> None:
        """Those that share a limit wait in line, and so many are let go as may start."""
        held = [Held(run, key, waits_for(key)) for run, key in staged if key is not None]
        if held:
            runs.hold(tx, held, now)
            runs.release(tx, {each.limit_key for each in held})

    def _complete(self, ripe: Sequence[int], now: int) -> None:
        with self._store.write() as tx:
            done = batches.complete(tx, ripe, now)
            tx.events += [self._follow(tx, batch, now) for batch in done]
            if done:
                tx.announce()

    def _give_up(self, ripe: int, error: Exception, now: int) -> None:
        """What follows a batch was refused by the database, as it would be every time: the batch is over without it."""
        with self._store.write() as tx:
            for batch in batches.complete(tx, [ripe], now):
                why = storable(f"{batch.then_job} cannot follow: {type(error).__name__}: {error}")
                logger.warning("batch %d: %s", batch.id, why)
                tx.events.append(_finished(batch, now, error=why))

    def _follow(self, tx: Transaction, batch: Batch, now: int) -> Event:
        if batch.then_job is None:
            return _finished(batch, now)
        arguments = {**json.loads(batch.then_arguments or "{}"), "batch": _counts(batch)}
        try:
            run = self._enqueuer.new_run_by_name(batch.then_job, arguments, now, Options(by=f"batch:{batch.id}"))
        except RotaError as error:  # the job's arguments have changed meanwhile: no reason to hold up other batches
            logger.warning("batch %d: %s cannot follow: %s", batch.id, batch.then_job, error)
            return _finished(batch, now, error=f"{batch.then_job} cannot follow: {error}")
        runs.insert(tx, [run])
        return _finished(batch, now)

    def _sweep_now_and_then(self, now: int) -> bool:
        """Runs that wait for a shared limit nobody uses any more, or for a signal that is there: a crash between two
        commits, or two transactions that did not see each other, could leave them so.

        And those that wait for hosts which are gone. Returns whether there is more to look at.
        """
        resting = self._swept_at is not None and now - self._swept_at < SWEEP_SECONDS * 1_000_000
        if resting and not self._swept_up_to:
            return False
        more = self._expire_kept(now)
        self._swept_at = None if more else now
        with self._store.read() as tx:
            waiting = runs.held_keys(tx, self._swept_up_to, AT_ONCE)
        self._swept_up_to = waiting[-1] if len(waiting) == AT_ONCE else ""
        let_go(self._store, waiting)
        more = signals.sweep(self._store, now, AT_ONCE) or more
        return more or bool(self._swept_up_to)

    def _expire_kept(self, now: int) -> bool:
        """What waits for hosts that are gone."""
        with self._store.read() as tx:
            if not runs.kept(tx):
                return False
        with self._store.write() as tx:
            return expire_kept(tx, now, AT_ONCE, self._shard)


def _counts(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "total": batch.total,
        "succeeded": batch.succeeded,
        "failed": batch.failed,
        "cancelled": batch.cancelled,
    }


def _finished(batch: Batch, now: int, **more: str) -> Event:
    data = {"job": batch.job, **_counts(batch), **more}
    return Event(at=now, kind="batch.finished", subject=f"batch:{batch.id}", run_id=batch.parent_run_id, data=data)
