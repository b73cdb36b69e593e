"""Claiming where runs share limits: how many may run under one key, in one queue, or start in a time.

One transaction at a time, over all nodes, counts and claims: it holds the row ``rota:limits`` meanwhile. A run that may
not start yet is set aside (*held*), so that the next claim does not meet it again: until one of its key ends, or until
its rate allows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rota.model.attempt import Claimant, Envelope
from rota.model.job import Job
from rota.model.rate import Rate
from rota.model.run import Candidate
from rota.store import Transaction, queues, runs
from rota.store.queues import QueueWork

LOOKAHEAD = 500
"""Candidates looked at beyond the room there is, where some of them had to wait the last time."""


@dataclass(slots=True)
class _Tally:
    """What has been given out so far in one claim."""

    running: dict[str, int]
    full_at: dict[str, int]
    chosen: list[int] = field(default_factory=list)
    held: list[tuple[int, str, int | None]] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitedClaim:
    claims: list[Envelope]
    held: int
    """Runs set aside; when there were any, there may be others behind them that can start."""
    again_at: int | None
    """The moment at which the queue's own rate allows the next start, if that is what stopped it."""


def claim_limited(
    tx: Transaction,
    queue: QueueWork,
    wanted: Sequence[str],
    jobs: Mapping[str, Job],
    by: Claimant,
    room: int,
    now: int,
    *,
    suspects: bool = False,
    beyond: int = LOOKAHEAD,
) -> LimitedClaim:
    """Claim up to ``room`` runs of the ``wanted`` jobs (or of their suspects), in order, within every limit.

    It looks at so many runs ``beyond`` the room there is.

    1. Take the row that serialises such claims, and see what the queue itself allows.
    2. Look at the head of the queue, and count what runs under the keys found there.
    3. Go through it in order: choose, or hold with the reason.
    """
    queues.lock_limits(tx)
    allowed, full_at = _queue_room(tx, queue, room, now)
    if allowed < 1:
        rate = queue.rate
        return LimitedClaim([], 0, rate.next_at(full_at) if rate and full_at > now else None)
    candidates = runs.candidates(tx, queue.name, wanted, allowed + beyond, suspects=suspects)
    tally = _tally(tx, candidates)
    for candidate in candidates:
        if len(tally.chosen) < allowed:
            _place(candidate, tally, jobs, now)
    _save(tx, queue, tally, full_at, now)
    claims = runs.claim_chosen(tx, tally.chosen, by, now) if tally.chosen else []
    return LimitedClaim(claims, len(tally.held), None)


def _queue_room(tx: Transaction, queue: QueueWork, room: int, now: int) -> tuple[int, int]:
    full_at = 0
    if queue.concurrency is not None:
        room = min(room, queue.concurrency - runs.running_in_queue(tx, queue.name))
    if queue.rate is not None:
        stored = queues.buckets(tx, [queue.bucket]).get(queue.bucket, 0)
        full_at = queue.rate.bounded(stored, now)
        if full_at < stored:  # kept also where nothing may start: else it would be bounded anew at each look
            queues.save_buckets(tx, {queue.bucket: full_at})
        room = min(room, queue.rate.allowed(full_at, now))
    return room, full_at


def _tally(tx: Transaction, candidates: list[Candidate]) -> _Tally:
    keys = {each.limit_key for each in candidates if each.limit_key is not None}
    rates = {each.rate_key for each in candidates if each.rate_key is not None}
    running = runs.running_by_key(tx, keys) if keys else {}
    return _Tally(running, queues.buckets(tx, rates) if rates else {})


def _place(candidate: Candidate, tally: _Tally, jobs: Mapping[str, Job], now: int) -> None:
    run_id, job_name, _, key, count, rate_key = candidate
    if key is not None and tally.running.get(key, 0) >= (count or 1):
        tally.held.append((run_id, f"concurrency {key} (limit {count})", None))
        return
    rate = jobs[job_name].rate if rate_key is not None and job_name in jobs else None
    if rate is not None and rate_key is not None and not _take(tally, rate, rate_key, now):
        tally.held.append((run_id, f"rate {rate_key}", _turn(tally, rate, rate_key)))
        return
    if key is not None:
        tally.running[key] = tally.running.get(key, 0) + 1
    tally.chosen.append(run_id)


def _take(tally: _Tally, rate: Rate, key: str, now: int) -> bool:
    full_at = tally.full_at[key] = rate.bounded(tally.full_at.get(key, 0), now)
    if rate.allowed(full_at, now) < 1:
        return False
    tally.full_at[key] = rate.taken(full_at, now, 1)
    return True


def _turn(tally: _Tally, rate: Rate, key: str) -> int:
    """When a run held for its rate may try: those held before it go first."""
    place = tally.waiting.get(key, 0)
    tally.waiting[key] = place + 1
    return rate.next_at(tally.full_at[key]) + place * rate.step_us


def _save(tx: Transaction, queue: QueueWork, tally: _Tally, full_at: int, now: int) -> None:
    if tally.held:
        runs.hold(tx, tally.held, now)
    buckets = dict(tally.full_at)
    if queue.rate is not None:
        buckets[queue.bucket] = queue.rate.taken(full_at, now, len(tally.chosen))
    if buckets:
        queues.save_buckets(tx, buckets)
