"""Keeps this node's executors in work: claims as many runs as can begin at once or very soon, and begins them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rota.engine.claimer import Claimer, Identity
from rota.engine.inflight import InFlight
from rota.errors import RunCancelledError
from rota.executors.port import Executor
from rota.model.attempt import Envelope
from rota.model.job import Job
from rota.model.node import NodeSettings
from rota.store import Store, runs

AHEAD_SECONDS = 0.05
"""Runs are claimed ahead of their turn by what the node works off in this time: none, where bodies take long."""
MOST_AHEAD = 1_000
STALE_SECONDS = 1.0
"""A run claimed ahead that has waited this long is given back: others may be free."""


class Worker:
    """The duty that claims and begins."""

    name = "worker"

    def __init__(
        self,
        store: Store,
        jobs: Mapping[str, Job],
        identity: Identity,
        claimer: Claimer,
        executor: Executor[Any],
        inflight: InFlight,
        settings: NodeSettings,
    ) -> None:
        self.interval = settings.poll
        self.draining = False
        self._store = store
        self._jobs = jobs
        self._identity = identity
        self._claimer = claimer
        self._executor = executor
        self._inflight = inflight
        self._threads = settings.threads
        self._poll = settings.poll
        self._pace = _Pace()

    def tick(self) -> bool:
        """1. See how much more fits. 2. Claim. 3. Begin."""
        self.interval = self._poll
        inflight = self._inflight
        self._give_back_stale()
        ahead = min(MOST_AHEAD, int(self._pace.per_second(inflight.completed) * AHEAD_SECONDS))
        most = self._threads + self._executor.lent + ahead
        room = most - len(inflight)
        # While bodies are short, wait for a good handful; a slot that frees below this mark wakes us.
        inflight.hungry_below = most - max(1, ahead // 2)
        if self.draining or room < 1 or len(inflight) > inflight.hungry_below or not self._identity.trusted():
            return False
        if any(attempt.envelope.suspected > 1 for attempt in inflight):
            inflight.hungry_below = 0
            return False
        envelopes, more = self._claim(room)
        if envelopes:
            self.begin(envelopes)
        return more

    def begin(self, envelopes: list[Envelope]) -> None:
        """Hand claimed runs to their executor."""
        attempts = [self._executor.attempt(each, self._jobs[each.job]) for each in envelopes]
        for attempt in attempts:
            if attempt.envelope.cancel_by is not None:
                attempt.interrupt(RunCancelledError(f"cancelled by {attempt.envelope.cancel_by}"))
        self._inflight.begin(attempts)
        self._executor.submit(attempts)

    def take_back(self, waiting_longer_than: float = 0.0) -> None:
        """Give claimed runs that have not begun back to the ledger."""
        back = self._executor.take_back(waiting_longer_than)
        if not back:
            return
        self._inflight.forget(back)
        by_node: dict[str, list[tuple[int, int]]] = {}
        for attempt in back:
            by_node.setdefault(attempt.envelope.node, []).append(attempt.envelope.key)
        with self._store.write() as tx:
            for node, keys in by_node.items():
                runs.hand_back(tx, node, keys)

    def _claim(self, room: int) -> tuple[list[Envelope], bool]:
        envelopes, more = self._claimer.claim(room)
        if self._claimer.wait is not None:
            self.interval = min(self.interval, self._claimer.wait)
        return envelopes, more

    def _give_back_stale(self) -> None:
        if len(self._inflight) > self._threads + self._executor.lent:
            self.take_back(STALE_SECONDS)


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
