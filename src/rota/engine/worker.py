"""Keeps this node's executors in work: claims as many runs as can begin at once or very soon, and begins them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rota.engine.claimer import Claimer, Identity
from rota.engine.inflight import InFlight
from rota.errors import RunCancelledError
from rota.executors.port import Executor, Kind, kind_for
from rota.model.attempt import Envelope
from rota.model.event import RESTRICTED, run_event
from rota.model.job import Job
from rota.model.node import NodeSettings
from rota.model.retry import SUSPECT
from rota.store import Store, runs

AHEAD_SECONDS = 0.1
"""Runs are claimed ahead of their turn by what the node works off in this time: none, where bodies take long."""
MOST_AHEAD = 2_000
STALE_SECONDS = 1.0
"""A run claimed ahead that has waited this long is given back: others may be free."""


class Worker:
    """The duty that claims and begins. ``executors``: by kind, those that this node has."""

    name = "worker"

    def __init__(
        self,
        store: Store,
        jobs: Mapping[str, Job],
        identity: Identity,
        claimer: Claimer,
        executors: Mapping[Kind, Executor[Any]],
        inflight: InFlight,
        settings: NodeSettings,
        environment: str | None = None,
    ) -> None:
        self._environment = environment
        self.interval = settings.poll
        self.draining = False
        self._store = store
        self._jobs = jobs
        self._identity = identity
        self._claimer = claimer
        self._executors = executors
        self._inflight = inflight
        self._poll = settings.poll
        self._paces = {kind: _Pace() for kind in executors}

    def tick(self) -> bool:
        """1. See how much more fits. 2. Claim. 3. Begin."""
        self.interval = self._poll
        rooms = {kind: self._room(kind, executor) for kind, executor in self._executors.items()}
        if self.draining or not any(rooms.values()) or not self._identity.trusted() or self._alone():
            return False
        envelopes, more = self._claimer.claim(rooms)
        if self._claimer.wait is not None:
            self.interval = min(self.interval, self._claimer.wait)
        if envelopes:
            self.begin(envelopes)
        return more

    def begin(self, envelopes: list[Envelope]) -> None:
        """Hand claimed runs to their executors."""
        for kind, mine in self._by_kind(self._as_here(envelopes)).items():
            executor = self._executors[kind]
            attempts = [executor.attempt(each, self._jobs[each.job]) for each in mine]
            for attempt in attempts:
                if attempt.envelope.cancel_by is not None:
                    attempt.interrupt(RunCancelledError(f"cancelled by {attempt.envelope.cancel_by}"))
            self._inflight.begin(attempts)
            executor.submit(attempts)

    def _as_here(self, envelopes: list[Envelope]) -> list[Envelope]:
        """Whoever asked for them may have another environment, or none: where a body is done, it destroys nothing."""
        jobs = [self._jobs[name] for name in {each.job for each in envelopes}]
        touchy = {job.name for job in jobs if job.destructive or job.sends}
        if not touchy:
            return envelopes
        here = [self._careful(each) if each.job in touchy else each for each in envelopes]
        changed = [each for each, asked in zip(here, envelopes, strict=True) if each.mode != asked.mode]
        if changed:
            self._record(changed)
        return here

    def _careful(self, envelope: Envelope) -> Envelope:
        if envelope.mode == "dry_run":
            return envelope
        return envelope._replace(mode=self._jobs[envelope.job].mode_in(self._environment) or envelope.mode)

    def _record(self, changed: list[Envelope]) -> None:
        """Before they begin: their rows have what they were asked for as."""
        now = self._store.now_us()
        with self._store.write() as tx:
            for each in changed:
                data = {"job": each.job, "attempt": each.attempt, "mode": each.mode, "environment": self._environment}
                tx.events.append(run_event(RESTRICTED, each.id, now, data=data))

    def _by_kind(self, envelopes: list[Envelope]) -> dict[Kind, list[Envelope]]:
        found: dict[Kind, list[Envelope]] = {}
        for each in envelopes:
            kind = kind_for(
                self._jobs[each.job], self._executors, suspect=each.suspected >= SUSPECT, manual=self._store.manual
            )
            found.setdefault(kind, []).append(each)
        return found

    def take_back(self, waiting_longer_than: float = 0.0) -> None:
        """Give claimed runs that have not begun back to the ledger."""
        back = [each for executor in self._executors.values() for each in executor.take_back(waiting_longer_than)]
        if not back:
            return
        self._inflight.forget(back)
        by_node: dict[str, list[tuple[int, int]]] = {}
        for attempt in back:
            by_node.setdefault(attempt.envelope.node, []).append(attempt.key)
        with self._store.write() as tx:
            for node, keys in by_node.items():
                runs.hand_back(tx, node, keys)

    def _room(self, kind: Kind, executor: Executor[Any]) -> int:
        """How many more to claim for an executor; 0 while a good handful does not fit yet.

        A place that frees below that mark wakes us.
        """
        lane = self._inflight.lanes[kind]
        if len(lane.underway) > executor.size:
            self.take_back(STALE_SECONDS)
        ahead = min(MOST_AHEAD, int(self._paces[kind].per_second(lane.completed) * AHEAD_SECONDS))
        most = executor.size + ahead if executor.size else 0
        lane.hungry_below = most - max(1, ahead // 2)
        underway = len(lane.underway)
        return 0 if underway > lane.hungry_below else max(0, most - underway)

    def _alone(self) -> bool:
        """Whether a suspect is at work on a thread: it is to have no company."""
        if any(each.envelope.suspected >= SUSPECT and each.kind == "thread" for each in self._inflight):
            self._inflight.lanes["thread"].hungry_below = 0
            return True
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
