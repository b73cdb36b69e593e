"""What rates keep back: which of them are used up, and the runs that wait for one.

No row of the ledger is changed for such a run: nobody touches it until its rate allows the next start. So whoever tells
of runs asks here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rota.model.queue import QueueStatus
from rota.model.rate import Bucket, Rate, bucket_of_job, bucket_of_queue, job_of_bucket, waits_for_rate
from rota.model.run import PAUSED, RunRecord, RunState
from rota.store import Transaction, jobs, queues, runs
from rota.store.queues import COUNT_CAP


@dataclass(frozen=True, slots=True)
class UsedUp:
    """The rates that allow no start now, as text: by the name of their job, or of their queue."""

    jobs: Mapping[str, str]
    queues: Mapping[str, str]

    def note(self, run: RunRecord) -> str | None:
        """What keeps a run back, where a rate does: ``rate 2/m``; after the limit that it stands in line for."""
        rate = self._rate(run)
        return rate if rate is None or run.held_by is None else f"{run.held_by}, {rate}"

    def _rate(self, run: RunRecord) -> str | None:
        if run.state != RunState.AVAILABLE or run.held_by == PAUSED:
            return None
        if run.job in self.jobs:
            return waits_for_rate(self.jobs[run.job])
        return waits_for_rate(self.queues[run.queue], of_queue=True) if run.queue in self.queues else None


def used_up(tx: Transaction, now: int) -> UsedUp:
    buckets = queues.not_full(tx, now)
    if not buckets:
        return UsedUp({}, {})
    names = [name for bucket in buckets if (name := job_of_bucket(bucket))]
    of_jobs = {name: json.loads(text).get("rate") for name, text in jobs.definitions(tx, names).items()}
    of_queues = {each.name: each.rate for each in queues.all_queues(tx)}

    def none_left(rate: str | None, bucket: str) -> bool:
        if rate is None or bucket not in buckets:
            return False
        return not Bucket.read(Rate.parse(rate), buckets[bucket], now).allowed

    return UsedUp(
        jobs={name: rate for name, rate in of_jobs.items() if none_left(rate, bucket_of_job(name))},
        queues={name: rate or "" for name, rate in of_queues.items() if none_left(rate, bucket_of_queue(name))},
    )


def filled(tx: Transaction, now: int) -> list[QueueStatus]:
    """All queues with what is in them: what a rate keeps back is held."""
    kept = used_up(tx, now)
    return [_with_held(tx, status, kept) for status in queues.filled(tx)]


def _with_held(tx: Transaction, status: QueueStatus, kept: UsedUp) -> QueueStatus:
    name = status.record.name
    if name in kept.queues:
        held = min(COUNT_CAP, status.held + status.waiting)
        return replace(status, waiting=0, held=held, oldest_due_at=None)
    waiting = runs.waiting_jobs(tx, name, limit=COUNT_CAP) if kept.jobs and status.waiting else []
    back = [job for job in waiting if job in kept.jobs]
    if not back:
        return status
    count, oldest = queues.waiting_of(tx, name, [job for job in waiting if job not in kept.jobs])
    held = min(COUNT_CAP, status.held + queues.waiting_of(tx, name, back)[0])
    return replace(status, waiting=count, held=held, oldest_due_at=oldest)
