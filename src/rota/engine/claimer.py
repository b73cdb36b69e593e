"""Claims runs for this node: asks which queues have work, and takes from each in its turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from rota.engine.inflight import InFlight
from rota.engine.limits import LOOKAHEAD, claim_limited
from rota.model.attempt import Envelope
from rota.model.job import Job
from rota.model.node import NodeSettings
from rota.store import Store, jobs, queues, runs
from rota.store.queues import QueueWork

UNKNOWN_JOB = "no node knows job"
"""Why such a run is held, before the job's name."""
UNKNOWN_JOB_SECONDS = 30.0
SOON_SECONDS = 0.01
ROOM_SECONDS = 10.0
ROOM_AGAIN_SECONDS = 60.0


class Identity(Protocol):
    """The node that claims."""

    id: str

    def trusted(self) -> bool:
        """Whether its lease still stands."""


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
        self._served_last = ""
        self._unknown: set[str] = set()
        self._some_held = False
        """Whether the last claim among limits met runs that had to wait: then the next one looks further."""
        self._guess: QueueWork | None = None
        self._guessed_at = 0.0

    def claim(self, room: int) -> tuple[list[Envelope], bool]:
        """Up to ``room`` runs, and whether there may be more. First at a guess, then from each queue in its turn."""
        self.wait = None
        if envelopes := self._claim_at_a_guess(room):
            return envelopes, True
        found = self.survey()
        suspects = [queue for queue in found if queue.suspects]
        if suspects and self._solo.wanted(busy := not self._inflight.idle):
            if busy:
                self.wait = SOON_SECONDS
                return [], False
            for queue in suspects:
                if envelopes := self._claim_suspect(queue):
                    return envelopes, False
        return self.claim_from(found, room)

    def claim_from(self, found: list[QueueWork], room: int) -> tuple[list[Envelope], bool]:
        envelopes: list[Envelope] = []
        more = False
        for queue in found:
            if not queue.work:
                continue
            if len(envelopes) >= room:
                return envelopes, True
            got, again = self._claim_one(queue, room - len(envelopes))
            if got:
                self._served_last = queue.name
            envelopes += got
            more = more or again
        return envelopes, more

    def _claim_suspect(self, queue: QueueWork) -> list[Envelope]:
        """One run that was running, more than once, when a node was lost."""
        with self._store.write() as tx:
            now, node = self._store.now_us(), self._identity.id
            return claim_limited(tx, queue, self._jobs, node, 1, now, suspects=True, avoid=self._unknown).claims

    def survey(self) -> list[QueueWork]:
        """The queues that this node serves, in turn."""
        with self._store.read() as tx:
            found = self._in_turn([queue for queue in queues.survey(tx) if self._serves(queue.name)])
        self.capped = frozenset(queue.name for queue in found if queue.concurrency is not None)
        unlimited = [queue for queue in found if not queue.limited]
        busy = [queue for queue in unlimited if queue.work]
        self._guess = next(iter(busy or unlimited), None)
        self._guessed_at = time.monotonic()
        return found

    def knows(self, envelope: Envelope) -> bool:
        return envelope.job in self._jobs

    def leave(self, strangers: list[Envelope]) -> None:
        """Give back runs of jobs that this node's code does not know, and claim those jobs no more.

        A job that no code has ever declared is held for a while: nothing is lost, and `why` says so.
        """
        now = self._store.now_us()
        until = now + int(UNKNOWN_JOB_SECONDS * 1_000_000)
        with self._store.write() as tx:
            declared = jobs.declared(tx, {each.job for each in strangers})
            runs.hand_back(tx, self._identity.id, [each.key for each in strangers])
            unheard = [each for each in strangers if each.job not in declared]
            runs.hold(tx, [(each.id, f"{UNKNOWN_JOB} {each.job}", until) for each in unheard], now)
        self._unknown |= declared

    def _in_turn(self, found: list[QueueWork]) -> list[QueueWork]:
        """Beginning after the queue that was served last, so that a long queue keeps no other from its turn."""
        after = [queue for queue in found if queue.name > self._served_last]
        return after + found[: len(found) - len(after)]

    def _claim_at_a_guess(self, room: int) -> list[Envelope]:
        """Most wakes are for the queue that was busy last: asking it alone first saves a round trip before the body.

        Every other claim surveys all queues, so that none is forgotten; a guess is good for as long as a poll.
        """
        guess, self._guess = self._guess, None
        if guess is None or time.monotonic() - self._guessed_at > self._poll * 2:
            return []
        return self._claim_one(guess, room)[0]

    def _claim_one(self, queue: QueueWork, room: int) -> tuple[list[Envelope], bool]:
        """A claim need not survive a power cut: the run is available again then, and the fence refuses this node."""
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
            wait = max(0.001, (limited.again_at - now) / 1_000_000)
            self.wait = wait if self.wait is None else min(self.wait, wait)
        return limited.claims, limited.held > 0 or len(limited.claims) >= room

    def _serves(self, queue: str) -> bool:
        return "*" in self._served or queue in self._served


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
