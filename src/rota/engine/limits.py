"""Claiming where runs share limits: how many may run under one key, in one queue, or start in a time.

One transaction at a time, over all nodes, counts and claims: it holds the row ``rota:limits`` meanwhile. A run whose
key is full is set aside (*held*), so that the next claim does not meet it again, until one of its key ends. A job whose
rate is used up is passed over as a whole, however many of its runs wait.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rota.engine.buckets import Buckets
from rota.engine.line import waits_for
from rota.engine.resting import Rest
from rota.errors import ConfigError
from rota.model.attempt import Claimant, Envelope
from rota.model.job import Job
from rota.model.limit import count_under, key_of_job
from rota.model.queue import QueueWork
from rota.model.rate import Rate, waits_for_rate
from rota.model.run import Candidate, Chosen, Held
from rota.store import Transaction, queues, runs

LOOKAHEAD = 500
"""Candidates looked at beyond the room there is, where some of them had to wait the last time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Up to ``room`` runs of these jobs in a queue, or of their suspects."""

    queue: QueueWork
    jobs: Sequence[Job]
    room: int
    beyond: int = LOOKAHEAD
    """So many more are looked at."""
    suspects: bool = False
    resting: Mapping[str, Rest] = field(default_factory=dict)
    """Jobs that had to be passed over."""
    queue_rest: Rest | None = None

    @property
    def rates(self) -> dict[str, Rate]:
        """By the names that they are counted under."""
        own = {} if self.queue.rate is None else {self.queue.bucket: self.queue.rate}
        return own | {job.bucket: job.rate for job in self.jobs if job.rate and job.bucket}


@dataclass(frozen=True, slots=True)
class LimitedClaim:
    claims: list[Envelope]
    held: int
    """Runs set aside; when there were any, there may be others behind them that can start."""
    again_at: int | None = None
    """The moment at which the queue's own rate allows the next start, if it allows none now."""
    passed: Mapping[str, int] = field(default_factory=dict)
    """Jobs that their rate kept from starting more, and when it allows the next start."""


def claim_limited(tx: Transaction, wanted: Wanted, by: Claimant, now: int) -> LimitedClaim:
    """Claim what is wanted, in order, within every limit.

    1. Take the row that serialises such claims, and see what the queue itself and the rates of the jobs allow.
    2. Look at the head of the queue, and count what runs under the keys found there.
    3. Go through it in order: choose, hold with the reason, or pass over.
    """
    queues.lock_limits(tx)
    buckets = Buckets(tx, wanted.rates, now)
    room = _room(tx, wanted, buckets)
    choice = _Choice(wanted, buckets)
    if room > 0:
        choice.fill(tx, room, now)
    if choice.held:
        runs.hold(tx, choice.held, now)
    if wanted.queue.rate is not None and choice.chosen:
        buckets.take(wanted.queue.bucket, len(choice.chosen))
    buckets.save(tx)
    claims = runs.claim_chosen(tx, choice.chosen, by, now) if choice.chosen else []
    return LimitedClaim(claims, len(choice.held), _again_at(wanted.queue, buckets), choice.passed)


def _room(tx: Transaction, wanted: Wanted, buckets: Buckets) -> int:
    """How many may start, as far as the queue itself is asked."""
    queue, room = wanted.queue, wanted.room
    if queue.concurrency is not None:
        room = min(room, queue.concurrency - runs.running_in_queue(tx, queue.name))
    if queue.rate is not None:
        room = min(room, buckets.allowed(queue.bucket))
    return room


def _again_at(queue: QueueWork, buckets: Buckets) -> int | None:
    if queue.rate is None or buckets.allowed(queue.bucket):
        return None
    return buckets.next_at(queue.bucket)


def _limit_keys(tx: Transaction, candidates: Sequence[Candidate], jobs: Mapping[str, Job]) -> dict[int, str]:
    """By run: what it is counted under. Those that were asked for before their job had a limit get their key now."""
    keys = {each.id: each.limit_key for each in candidates if each.limit_key is not None}
    unmarked = {each.id: jobs[each.job] for each in candidates if each.id not in keys and jobs[each.job].limit_count}
    arguments = runs.arguments(tx, unmarked) if unmarked else {}
    return keys | {run: _key_for(unmarked[run], text) for run, text in arguments.items()}


def _key_for(job: Job, arguments: str) -> str:
    try:
        key = job.limit_key(json.loads(arguments))
    except ConfigError:  # its own function fails for arguments of an earlier release: these are counted together
        key = None
    return key or key_of_job(job.name)


class _Choice:
    """What becomes of the candidates of one claim."""

    def __init__(self, wanted: Wanted, buckets: Buckets) -> None:
        self.chosen: list[Chosen] = []
        self.held: list[Held] = []
        self.passed: dict[str, int] = {}
        """Jobs, and when their rates allow the next start."""
        self._wanted = wanted
        self._buckets = buckets
        self._running: dict[str, int] = {}
        for job in wanted.jobs:
            self._pass_over(job)

    def fill(self, tx: Transaction, room: int, now: int) -> None:
        """Choose as many as there is room for."""
        wanted = self._wanted
        jobs = {job.name: job for job in wanted.jobs if job.name not in self.passed}
        if not jobs:
            return
        count = room + wanted.beyond
        (queue, host), suspects = wanted.queue.lane, wanted.suspects
        candidates = runs.candidates(tx, queue, list(jobs), count, now, host=host, suspects=suspects)
        keys = _limit_keys(tx, candidates, jobs)
        self._running = runs.running_by_key(tx, set(keys.values())) if keys else {}
        for candidate in candidates:
            if len(self.chosen) >= room:
                return
            self._place(candidate.id, keys.get(candidate.id), jobs[candidate.job])

    def _place(self, run: int, key: str | None, job: Job) -> None:
        count = None if key is None else count_under(key, job.limit_count)
        if key is not None and count is not None and self._running.get(key, 0) >= count:
            self.held.append(Held(run, key, waits_for(key)))
            return
        if self._pass_over(job):
            return
        if job.bucket is not None:
            self._buckets.take(job.bucket)
        self.chosen.append(Chosen(run, key, *self._waited(job)))
        if key is not None:
            self._running[key] = self._running.get(key, 0) + 1

    def _waited(self, job: Job) -> tuple[int, int, str] | tuple[()]:
        """From when until when rates kept a run of this job back, and which."""
        queue = self._wanted.queue
        waited = []
        if job.rate is not None and (rest := self._wanted.resting.get(job.name)):
            waited.append((rest, waits_for_rate(job.rate)))
        if queue.rate is not None and (rest := self._wanted.queue_rest):
            waited.append((rest, waits_for_rate(queue.rate, of_queue=True)))
        if not waited:
            return ()
        since, until = min(rest.since for rest, _ in waited), max(rest.until for rest, _ in waited)
        return since, until, ", ".join(reason for _, reason in waited)

    def _pass_over(self, job: Job) -> bool:
        """Whether its rate allows no start now."""
        if job.bucket is None or self._buckets.allowed(job.bucket):
            return False
        self.passed[job.name] = self._buckets.next_at(job.bucket)
        return True
