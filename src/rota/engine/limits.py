"""Claiming where runs share limits: how many may run under one key, in one queue, or start in a time.

One transaction at a time, over all nodes, counts and claims: it holds the row ``rota:limits`` meanwhile. A run whose
key is full is set aside (*held*), so that the next claim does not meet it again, until one of its key ends. A job whose
rate is used up is passed over as a whole, however many of its runs wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rota.model.attempt import Claimant, Envelope
from rota.model.job import Job
from rota.model.queue import QueueWork
from rota.model.run import Candidate, Chosen
from rota.store import Transaction, queues, runs

_NONE: Mapping[str, int] = MappingProxyType({})
LOOKAHEAD = 500
"""Candidates looked at beyond the room there is, where some of them had to wait the last time."""


@dataclass(slots=True)
class _Tally:
    """What has been given out so far in one claim."""

    stored: Mapping[str, int]
    """The buckets of rates as they were found: when each is full again."""
    full_at: dict[str, int]
    passed: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    chosen: list[Chosen] = field(default_factory=list)
    held: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LimitedClaim:
    claims: list[Envelope]
    held: int
    """Runs set aside; when there were any, there may be others behind them that can start."""
    again_at: int | None = None
    """The moment at which the queue's own rate allows the next start, if that is what stopped it."""
    passed: Mapping[str, int] = field(default_factory=dict)
    """Jobs that their rate kept from starting more, and when it allows the next start."""


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
    resting: Mapping[str, int] = _NONE,
) -> LimitedClaim:
    """Claim up to ``room`` runs of the ``wanted`` jobs (or of their suspects), in order, within every limit.

    It looks at so many runs ``beyond`` the room there is. ``resting``: jobs that had to be passed over, since when.

    1. Take the row that serialises such claims, and see what the queue itself and the rates of the jobs allow.
    2. Look at the head of the queue, and count what runs under the keys found there.
    3. Go through it in order: choose, hold with the reason, or pass over.
    """
    queues.lock_limits(tx)
    allowed, full_at = _queue_room(tx, queue, room, now)
    if allowed < 1:
        rate = queue.rate
        return LimitedClaim([], 0, rate.next_at(full_at) if rate and full_at > now else None)
    tally = _tally(tx, wanted, jobs, now)
    wanted = [job for job in wanted if job not in tally.passed]
    candidates = runs.candidates(tx, queue.name, wanted, allowed + beyond, suspects=suspects) if wanted else []
    keys = {each.limit_key for each in candidates if each.limit_key is not None}
    tally.running = runs.running_by_key(tx, keys) if keys else {}
    for candidate in candidates:
        if len(tally.chosen) < allowed:
            _place(candidate, tally, jobs, now, resting)
    _save(tx, queue, tally, full_at, now)
    claims = runs.claim_chosen(tx, tally.chosen, by, now) if tally.chosen else []
    return LimitedClaim(claims, len(tally.held), passed=tally.passed)


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


def _tally(tx: Transaction, wanted: Sequence[str], jobs: Mapping[str, Job], now: int) -> _Tally:
    """The rates of the jobs, and which of them allow no start now."""
    rates = [(job, rate, key) for job in wanted if (rate := jobs[job].rate) and (key := jobs[job].rate_key)]
    stored = queues.buckets(tx, [key for _, _, key in rates]) if rates else {}
    tally = _Tally(stored, {})
    for job, rate, key in rates:
        full_at = tally.full_at[key] = rate.bounded(stored.get(key, 0), now)
        if rate.allowed(full_at, now) < 1:
            tally.passed[job] = rate.next_at(full_at)
    return tally


def _place(candidate: Candidate, tally: _Tally, jobs: Mapping[str, Job], now: int, resting: Mapping[str, int]) -> None:
    job, key, count = jobs[candidate.job], candidate.limit_key, candidate.limit_count
    if key is not None and tally.running.get(key, 0) >= (count or 1):
        tally.held.append((candidate.id, f"concurrency {key} (limit {count})"))
        return
    rate, rate_key = job.rate, candidate.rate_key
    if rate is None or rate_key not in tally.full_at:
        tally.chosen.append(Chosen(candidate.id))
    elif rate.allowed(tally.full_at[rate_key], now) < 1:
        tally.passed[job.name] = rate.next_at(tally.full_at[rate_key])
        return
    else:
        tally.full_at[rate_key] = rate.taken(tally.full_at[rate_key], now, 1)
        tally.chosen.append(Chosen(candidate.id, resting.get(job.name), f"rate {rate_key}"))
    if key is not None:
        tally.running[key] = tally.running.get(key, 0) + 1


def _save(tx: Transaction, queue: QueueWork, tally: _Tally, full_at: int, now: int) -> None:
    if tally.held:
        runs.hold(tx, tally.held, now)
    buckets = {name: at for name, at in tally.full_at.items() if at != tally.stored.get(name, 0)}
    if queue.rate is not None:
        buckets[queue.bucket] = queue.rate.taken(full_at, now, len(tally.chosen))
    if buckets:
        queues.save_buckets(tx, buckets)
