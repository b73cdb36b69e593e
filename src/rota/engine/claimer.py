"""Claims runs for this node: asks which queues have work of jobs that it knows, and takes from each in its turn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import NamedTuple, Protocol

from rota.engine.inflight import InFlight
from rota.engine.limits import LOOKAHEAD, Wanted, claim_limited
from rota.engine.resting import Resting
from rota.executors.port import Kind, kind_for
from rota.model.attempt import Claimant, Envelope
from rota.model.job import Job
from rota.model.node import NodeSettings
from rota.model.queue import QueueWork
from rota.model.run import Chosen
from rota.store import Store, Transaction, queues, runs

JOBS_AT_ONCE = 200
"""So many jobs with work are looked at in a queue at one time; where there are more, they take turns."""
SOON_SECONDS = 0.01
ROOM_SECONDS = 10.0
ROOM_AGAIN_SECONDS = 60.0


class Identity(Protocol):
    """The node that claims."""

    id: str
    host: str

    def trusted(self) -> bool:
        """Whether its lease still stands."""


class Work(NamedTuple):
    """A queue, and the jobs known here that wait in it and are done by one kind of executor."""

    queue: QueueWork
    jobs: Sequence[str]
    kind: Kind
    suspects: bool = False
    """Runs that were running, more than once, when a node was lost."""


class Claimer:
    """``capped`` and ``wait`` say what the last look found, for the duties that depend on it."""

    def __init__(
        self, store: Store, jobs: Mapping[str, Job], identity: Identity, inflight: InFlight, settings: NodeSettings
    ) -> None:
        self.capped: frozenset[str] = frozenset()
        """Queues that may run only so many at one time: there an end lets the next run begin."""
        self.wait: float | None = None
        """Seconds until there may be something to claim, where the last claim was stopped by what passes with time."""
        self._store = store
        self._jobs = jobs
        self._identity = identity
        self._inflight = inflight
        self._solo = _Solo()
        self._served = settings.queues
        self._poll = settings.poll
        self._numbers = count(1)
        self._served_last: tuple[str, str] | None = None
        self._window = _Window(jobs)
        self._some_held = False
        """Whether the last claim among limits met runs that had to wait: then the next one looks further."""
        self._resting_jobs = Resting()
        self._resting_queues = Resting()
        self._guess: Work | None = None
        self._guessed_at = 0.0

    def claim(self, rooms: Mapping[Kind, int]) -> tuple[list[Envelope], bool]:
        """As many as there is room for, and whether there may be more. First at a guess, then from each in its turn.

        ``rooms``: by kind of executor; one that this node does not have is not among them.
        """
        self.wait = None
        if envelopes := self._claim_at_a_guess(rooms):
            return envelopes, True
        found = self.survey(rooms)
        suspects = [work for work in found if work.suspects]
        if suspects and "process" not in rooms and self._solo.wanted(busy := not self._inflight.idle):
            if busy:
                self.wait = SOON_SECONDS
                return [], False
            for work in suspects:
                if envelopes := self._claim_one(work, 1)[0]:
                    return envelopes, False
        return self.claim_from([work for work in found if not work.suspects or "process" in rooms], rooms)

    def claim_from(self, found: list[Work], rooms: Mapping[Kind, int]) -> tuple[list[Envelope], bool]:
        left = dict(rooms)
        envelopes: list[Envelope] = []
        more = False
        for work in found:
            if left[work.kind] < 1:
                continue
            got, again = self._claim_one(work, left[work.kind])
            if got:
                self._served_last = work.queue.lane
            left[work.kind] -= len(got)
            envelopes += got
            more = more or again
        return envelopes, more

    def survey(self, rooms: Mapping[Kind, int]) -> list[Work]:
        """What waits for this node, queue by queue, in turn."""
        with self._store.read() as tx:
            served = [queue for queue in queues.survey(tx, self._identity.host) if self._serves(queue.name)]
            waiting = [self._waiting(tx, queue) for queue in self._in_turn(served) if queue.work]
        self.capped = frozenset(queue.name for queue in served if queue.concurrency is not None)
        found = [work for queue, jobs in waiting for work in self._by_kind(queue, jobs, rooms)]
        self._guess_from(found, {queue.lane for queue in served if not queue.limited})
        return found

    def _by_kind(self, queue: QueueWork, jobs: list[str], rooms: Mapping[Kind, int]) -> list[Work]:
        apart: dict[Kind, list[str]] = {}
        for job in jobs:
            apart.setdefault(kind_for(self._jobs[job], rooms, manual=self._store.manual), []).append(job)
        if not queue.limited and any(self._jobs[job].is_limited for job in jobs):
            queue = replace(queue, limited=True)
        here = {kind: mine for kind, mine in apart.items() if kind in rooms}
        found = [Work(queue, mine, kind) for kind, mine in here.items()]
        if queue.suspects and here:
            known = [job for mine in here.values() for job in mine]
            found.append(Work(queue, known, "process" if "process" in rooms else "thread", suspects=True))
        return found

    def _guess_from(self, found: list[Work], unlimited: set[tuple[str, str]]) -> None:
        """What is busy now; else what was the last time is as good a guess as any."""
        busy = next((work for work in found if not work.queue.limited and not work.suspects), None)
        if busy is not None:
            self._guess = busy
        elif self._guess is not None and self._guess.queue.lane not in unlimited:
            self._guess = None
        self._guessed_at = time.monotonic()

    def _waiting(self, tx: Transaction, queue: QueueWork) -> tuple[QueueWork, list[str]]:
        """The jobs to claim from a queue. Those whose rate is used up rest, and do not make claims of others slower."""
        known, now = self._window.known(tx, queue), self._store.now_us()
        resting = self._resting_jobs.now(known, now)
        if not resting:
            return queue, known
        self._wait_until(min(rest.until for rest in resting.values()), now)
        jobs = [job for job in known if job not in resting]
        limited = queue.limited and runs.some_limited(tx, queue.name, jobs, host=queue.host)
        return replace(queue, limited=limited), jobs

    def _in_turn(self, found: list[QueueWork]) -> list[QueueWork]:
        """Beginning after the one that was served last, so that a long queue keeps no other from its turn.

        Nor do its runs that any host may do keep those back that are for this one.
        """
        lanes = [queue.lane for queue in found]  # in the order of the database, which need not be ours
        first = lanes.index(self._served_last) + 1 if self._served_last in lanes else 0
        return found[first:] + found[:first]

    def _claim_at_a_guess(self, rooms: Mapping[Kind, int]) -> list[Envelope]:
        """Most wakes are for the jobs that were busy last: asking for them first saves round trips before the body.

        Every other claim surveys all queues, so that none is forgotten; a guess is good for as long as a poll.
        """
        guess = self._guess
        if guess is None or time.monotonic() - self._guessed_at > self._poll * 2:
            return []
        self._guessed_at = 0.0
        room = rooms.get(guess.kind, 0)
        return self._claim_one(guess, room)[0] if room > 0 else []

    def _claim_one(self, work: Work, room: int) -> tuple[list[Envelope], bool]:
        now = self._store.now_us()
        if not work.queue.limited and not work.suspects:
            got = self._claim_free(work, room, now)
            return got, len(got) >= room
        wanted = Wanted(
            work.queue,
            [self._jobs[job] for job in work.jobs],
            room,
            beyond=LOOKAHEAD if self._some_held else 0,
            suspects=work.suspects,
            resting=self._resting_jobs.of(work.jobs),
            queue_rest=self._resting_queues.get(work.queue.name),
        )
        with self._store.write(self._durable(work.jobs)) as tx:
            limited = claim_limited(tx, wanted, self._claimant(), now)
        self._some_held = limited.held > 0
        self._resting_jobs.update(work.jobs, limited.passed, now)
        again_at = limited.again_at
        self._resting_queues.update([work.queue.name], {} if again_at is None else {work.queue.name: again_at}, now)
        if again_at is not None:
            self._wait_until(again_at, now)
        return limited.claims, bool(limited.held or limited.passed) or len(limited.claims) >= room

    def _wait_until(self, at: int, now: int) -> None:
        wait = max(0.001, (at - now) / 1_000_000)
        self.wait = wait if self.wait is None else min(self.wait, wait)

    def _claim_free(self, work: Work, room: int, now: int) -> list[Envelope]:
        """Where no run shares a limit with others."""
        (queue, host), jobs = work.queue.lane, work.jobs
        if len(jobs) == 1:
            with self._store.single(self._durable(jobs)) as tx:
                return runs.claim(tx, queue, jobs[0], self._claimant(), room, now, host=host)
        with self._store.write(self._durable(jobs)) as tx:
            found = runs.candidates(tx, queue, jobs, room, now, host=host, limited=False)
            free = [Chosen(each.id) for each in found if each.limit_key is None]
            return runs.claim_chosen(tx, free, self._claimant(), now) if free else []

    def _durable(self, jobs: Sequence[str]) -> bool:
        """Whether a claim has to survive a crash of the server.

        That of a body which can see its token is on disk before it begins, so that the token is never given out twice.
        Any other may be lost: the run is available again then, and this node is refused.
        """
        return any(self._jobs[job].wants_run for job in jobs)

    def _claimant(self) -> Claimant:
        return Claimant(self._identity.id, next(self._numbers))

    def _serves(self, queue: str) -> bool:
        return "*" in self._served or queue in self._served


class _Window:
    """Which of the jobs that wait in a queue are looked at: where there are many, they take turns."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = jobs
        self._looked_up_to: dict[tuple[str, str], str] = {}
        """By queue with more jobs than are looked at at once: the last one looked at."""

    def known(self, tx: Transaction, queue: QueueWork) -> list[str]:
        """Those that this node's code knows; others are left to the nodes that do."""
        after = self._looked_up_to.pop(queue.lane, "")
        waiting = runs.waiting_jobs(tx, queue.name, after, JOBS_AT_ONCE, host=queue.host)
        if after and not waiting:
            waiting = runs.waiting_jobs(tx, queue.name, "", JOBS_AT_ONCE, host=queue.host)
        if len(waiting) == JOBS_AT_ONCE:
            self._looked_up_to[queue.lane] = waiting[-1]
        return [job for job in waiting if job in self._jobs]


class _Solo:
    """When to do a suspect: alone. A busy node makes room for one, but does not wait for ever."""

    def __init__(self) -> None:
        self._waiting_since: float | None = None
        self._not_before = 0.0

    def wanted(self, busy: bool) -> bool:
        """Whether to claim nothing but a suspect now (or, while ``busy``, nothing at all, to become idle)."""
        now = time.monotonic()
        if now < self._not_before:
            return False
        if not busy:
            self._waiting_since = None
            return True
        self._waiting_since = self._waiting_since or now
        if now - self._waiting_since < ROOM_SECONDS:
            return True
        self._waiting_since, self._not_before = None, now + ROOM_AGAIN_SECONDS
        return False
