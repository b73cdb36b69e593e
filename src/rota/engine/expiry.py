"""Runs that will not begin any more end: they are too late, or kept for a host that is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rota.engine.tally import Tally
from rota.engine.waiting import by_batch
from rota.model.event import Event, run_event
from rota.model.run import ExpiredRun
from rota.store import Transaction, batches, runs


def expire(tx: Transaction, now: int, limit: int, shard: int) -> bool:
    """So many at most, with all that hangs on them. Returns whether there were any."""
    expired = runs.expire(tx, now, limit)
    end(tx, expired, now, shard)
    return bool(expired)


def end(tx: Transaction, expired: Sequence[ExpiredRun], now: int, shard: int, **more: object) -> None:
    """All that hangs on runs that expired. ``more`` is told with each."""
    tally = Tally()
    for run in expired:
        tally.count(now, run.job, "expired")
    tally.save(tx, shard)
    batches.count(tx, by_batch(run.batch_id for run in expired))
    tx.events += [_event(run, now, more) for run in expired]
    if keys := {run.limit_key for run in expired if run.limit_key is not None}:
        runs.release(tx, keys)


def _event(run: ExpiredRun, now: int, more: Mapping[str, object]) -> Event:
    data = {"job": run.job, "due_at": run.due_at, "expires_at": run.expires_at, "held_for": run.held_for}
    return run_event("run.expired", run.id, now, data={**data, **more})
