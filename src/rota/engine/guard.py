"""Tells bodies to stop that are out of time, or that this node is about to lose: by this machine alone."""

from __future__ import annotations

from rota.engine.identity import NodeIdentity
from rota.engine.worker import Worker
from rota.errors import RunLostError, RunTimedOutError

EVERY_SECONDS = 0.25


class Guard:
    """The duty that never asks the database: while that is away, work has to stop before the lease does."""

    name = "guard"

    def __init__(self, identity: NodeIdentity, worker: Worker) -> None:
        self.interval = EVERY_SECONDS
        self._identity = identity
        self._worker = worker

    def tick(self) -> bool:
        for run in self._worker.overdue():
            run.interrupt(RunTimedOutError(f"the run took longer than its {run.job_spec.timeout:g} s"))
        if self._worker.running and not self._identity.trusted():
            for run in list(self._worker.running.values()):
                run.interrupt(RunLostError("the database is away, and the lease is about to lapse"))
        return False
