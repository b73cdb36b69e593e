"""Tells bodies to stop that are out of time, or that this node is about to lose: by this machine alone."""

from __future__ import annotations

from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.errors import RunLostError, RunTimedOutError
from rota.model.run import LEASE_LAPSES

EVERY_SECONDS = 0.25


class Guard:
    """The duty that never asks the database: while that is away, work has to stop before the lease does."""

    name = "guard"

    def __init__(self, identity: NodeIdentity, inflight: InFlight) -> None:
        self.interval = EVERY_SECONDS
        self._identity = identity
        self._inflight = inflight

    def tick(self) -> bool:
        for attempt in self._inflight.overdue():
            attempt.interrupt(RunTimedOutError(f"the run took longer than its {attempt.job.timeout:g} s"))
        if len(self._inflight) and not self._identity.trusted():
            self._inflight.interrupt_all(RunLostError(LEASE_LAPSES))
        return False
