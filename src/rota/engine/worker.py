"""Claims runs for this node and hands them to the executor, as many as can begin at once or very soon."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from rota.engine.attempt import Attempt
from rota.engine.context import Home, Run
from rota.engine.limits import LOOKAHEAD, claim_limited
from rota.engine.logs import LogLines
from rota.errors import RunCancelledError
from rota.executors.local import LocalExecutor
from rota.model.job import Job
from rota.model.node import NodeSettings
from rota.model.run import Claim
from rota.store import Store, queues, runs
from rota.store.queues import QueueWork

logger = logging.getLogger("rota.engine")
AHEAD_SECONDS = 0.05
"""Runs are claimed ahead of their turn by what the node works off in this time: none, where bodies take long."""
MOST_AHEAD = 1_000
STALE_SECONDS = 1.0
"""A run claimed ahead that has waited this long is given back: others may be free."""
UNKNOWN_JOB = "no node knows job"
"""Why such a run is held, before the job's name."""
UNKNOWN_JOB_SECONDS = 30.0
SOON_SECONDS = 0.01
ROOM_SECONDS = 10.0
ROOM_AGAIN_SECONDS = 60.0


class Identity(Protocol):
    """Who claims, and whether its lease still stands."""

    id: str

    def trusted(self) -> bool: ...


class Worker:
    """The duty that claims; it also knows every run that this process is doing."""

    name = "worker"

    def __init__(
        self, store: Store, jobs: Mapping[str, Job], identity: Identity, home: Home, settings: NodeSettings
    ) -> None:
        self.interval = settings.poll
        self.running: dict[tuple[int, int], Run] = {}
        """By run and attempt: after this node was given up for lost, two attempts of one run may be here."""
        self.executor: LocalExecutor[Attempt] = LocalExecutor(settings.threads, self._ended)
        self.draining = False
        self.ended: Callable[[Run], None] = lambda _: None
        """Who takes what is over: the finisher."""
        self.all_committed: Callable[[], bool] = lambda: True
        """Whether the ledger knows of every end: the finisher tells."""
        self.wake: Callable[[], None] = lambda: None
        self._store = store
        self._jobs = jobs
        self._identity = identity
        self._home = home
        self._settings = settings
        self._poll = settings.poll
        self._hungry_below = 0
        self._completed = 0
        self._pace = _Pace()
        self._solo = _Solo()
        self.capped: frozenset[str] = frozenset()
        """Queues that may run only so many at one time, as they were at the last look."""
        self._served_last = ""
        self._unknown: set[str] = set()
        self._some_held = False
        """Whether the last claim among limits met runs that had to wait: then the next one looks further."""
        self._guess: QueueWork | None = None
        self._guessed_at = 0.0

    def tick(self) -> bool:
        """1. See how much more fits. 2. Ask which queues have work. 3. Claim from each in turn. 4. Begin."""
        self.interval = self._poll
        self._give_back_stale()
        ahead = min(MOST_AHEAD, int(self._pace.per_second(self._completed) * AHEAD_SECONDS))
        most = self._settings.threads + ahead
        room = most - len(self.running)
        # While bodies are short, wait for a good handful; a slot that frees below this mark wakes us.
        self._hungry_below = most - max(1, ahead // 2)
        if self.draining or room < 1 or len(self.running) > self._hungry_below or not self._identity.trusted():
            return False
        if any(run.claim.suspected > 1 for run in list(self.running.values())):
            self._hungry_below = 0
            return False
        claims, more = self._claim(room)
        if claims:
            self.begin(claims)
        return more

    def begin(self, claims: list[Claim]) -> None:
        attempts, unknown = [], []
        for claim in claims:
            job = self._jobs.get(claim.job)
            if job is None:
                unknown.append(claim)
                continue
            lines = LogLines(self._settings.log_lines, self._settings.log_bytes)
            run = Run(claim, job, self._home, self._identity.id, lines)
            if claim.cancel_by is not None:
                run.interrupt(RunCancelledError(f"cancelled by {claim.cancel_by}"))
            self.running[claim.id, claim.attempt] = run
            attempts.append(Attempt(run, self._store.now_us))
        self.executor.submit(attempts)
        if unknown:
            self._park(unknown)

    def take_back(self, waiting_longer_than: float = 0.0) -> None:
        """Give claimed runs that have not begun back to the ledger."""
        back = [work.run for work in self.executor.take_back(waiting_longer_than)]
        if not back:
            return
        by_node: dict[str, list[tuple[int, int]]] = {}
        for run in back:
            self.running.pop((run.id, run.attempt), None)
            by_node.setdefault(run.node_id, []).append((run.id, run.attempt))
        with self._store.write() as tx:
            for node, rows in by_node.items():
                runs.hand_back(tx, node, rows)

    def _claim(self, room: int) -> tuple[list[Claim], bool]:
        if claims := self._claim_at_a_guess(room):
            return claims, True
        claims = []
        more = False
        found = self._survey()
        suspects = [queue for queue in found if queue.suspects]
        busy = bool(self.running) or not self.all_committed()
        if suspects and self._solo.wanted(busy):
            if busy:
                self.interval = SOON_SECONDS
                return [], False
            for queue in suspects:
                if claims := self._claim_suspect(queue):
                    return claims, False
        for queue in found:
            if not queue.work:
                continue
            wanted = room - len(claims)
            if wanted < 1:
                return claims, True
            got, again = self._claim_from(queue, wanted)
            if got:
                self._served_last = queue.name
            claims += got
            more = more or again
        return claims, more

    def _survey(self) -> list[QueueWork]:
        with self._store.read() as tx:
            found = self._in_turn([queue for queue in queues.survey(tx) if self._serves(queue.name)])
        self.capped = frozenset(queue.name for queue in found if queue.concurrency is not None)
        unlimited = [queue for queue in found if not queue.limited]
        busy = [queue for queue in unlimited if queue.work]
        self._guess = next(iter(busy or unlimited), None)
        self._guessed_at = time.monotonic()
        return found

    def _in_turn(self, found: list[QueueWork]) -> list[QueueWork]:
        """Beginning after the queue that was served last, so that a long queue keeps no other from its turn."""
        after = [queue for queue in found if queue.name > self._served_last]
        return after + found[: len(found) - len(after)]

    def _claim_at_a_guess(self, room: int) -> list[Claim]:
        """Most wakes are for the queue that was busy last: asking it alone first saves a round trip before the body.

        Every other claim surveys all queues, so that none is forgotten; a guess is good for as long as a poll.
        """
        guess, self._guess = self._guess, None
        if guess is None or time.monotonic() - self._guessed_at > self._poll * 2:
            return []
        return self._claim_from(guess, room)[0]

    def _claim_from(self, queue: QueueWork, room: int) -> tuple[list[Claim], bool]:
        """A claim need not survive a power cut: then nobody holds the run, and the fence refuses who thought he did."""
        node, now = self._identity.id, self._store.now_us()
        if not queue.limited:
            with self._store.single(durable=False) as tx:
                got = runs.claim(tx, queue.name, node, room, now, self._unknown)
            return got, len(got) >= room
        beyond = LOOKAHEAD if self._some_held else 0
        with self._store.write() as tx:
            limited = claim_limited(tx, queue, self._jobs, node, room, now, avoid=self._unknown, beyond=beyond)
        self._some_held = limited.held > 0
        if limited.again_at is not None:
            self.interval = min(self.interval, max(0.001, (limited.again_at - now) / 1_000_000))
        return limited.claims, limited.held > 0 or len(limited.claims) >= room

    def _claim_suspect(self, queue: QueueWork) -> list[Claim]:
        with self._store.write() as tx:
            now = self._store.now_us()
            node = self._identity.id
            return claim_limited(tx, queue, self._jobs, node, 1, now, suspects=True, avoid=self._unknown).claims

    def _serves(self, queue: str) -> bool:
        return "*" in self._settings.queues or queue in self._settings.queues

    def _park(self, claims: list[Claim]) -> None:
        """Jobs that this node's code does not know. Another node has declared it: leave it to that one from now on.

        Nobody has: set it aside for a while. Nothing is lost, and `why` tells it.
        """
        now = self._store.now_us()
        until = now + int(UNKNOWN_JOB_SECONDS * 1_000_000)
        with self._store.write() as tx:
            declared = {row[0] for row in tx.rows("jobs.declared", [(claim.job,) for claim in claims])}
            runs.hand_back(tx, self._identity.id, [(claim.id, claim.attempt) for claim in claims])
            strange = [claim for claim in claims if claim.job not in declared]
            tx.rows("runs.hold", [(c.id, f"{UNKNOWN_JOB} {c.job}", until) for c in strange], now=now)
        self._unknown |= declared

    def _give_back_stale(self) -> None:
        if len(self.running) > self._settings.threads:
            self.take_back(STALE_SECONDS)

    def _ended(self, work: Attempt) -> None:
        run = work.run
        self.running.pop((run.id, run.attempt), None)
        self._completed += 1
        self.ended(run)
        if len(self.running) <= self._hungry_below:
            self.wake()

    def overdue(self) -> list[Run]:
        now = time.monotonic()
        return [run for run in list(self.running.values()) if run.deadline is not None and run.deadline < now]


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


class _Pace:
    """How many runs a second end here, smoothed over about a quarter of a second."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._seen = 0
        self._pace = 0.0

    def per_second(self, completed: int) -> float:
        now = time.monotonic()
        passed = now - self._at
        if passed >= 0.005:
            weight = min(1.0, passed / 0.25)
            self._pace += ((completed - self._seen) / passed - self._pace) * weight
            self._at, self._seen = now, completed
        return self._pace
