"""Extends the node's lease, and commits when each of its duties last worked: for somebody else to watch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from rota.engine.identity import NodeIdentity
from rota.engine.service import Runner
from rota.engine.worker import Worker
from rota.errors import RunLostError
from rota.model.event import Event
from rota.model.node import NodeSettings
from rota.store import Store

logger = logging.getLogger("rota.engine")
PATIENCE_SECONDS = 30.0


class Heartbeat:
    """The duty that keeps the lease."""

    name = "heartbeat"

    def __init__(
        self,
        store: Store,
        identity: NodeIdentity,
        worker: Worker,
        settings: NodeSettings,
    ) -> None:
        self.interval = settings.heartbeat
        self.runners: Sequence[Runner] = ()
        self.drain: Callable[[], None] = lambda: None
        """Called when a person asked, in the ledger, for this node to finish and stop."""
        self._store = store
        self._identity = identity
        self._worker = worker

    def tick(self) -> bool:
        if not self._identity.beat(len(self._worker.running)):
            self._start_anew()
        self._save_duties()
        if self._identity.draining and not self._worker.draining:
            self.drain()
        return False

    def _start_anew(self) -> None:
        """This node was given up for lost: others have its runs. Tell the bodies, and go on under a new identity."""
        for run in list(self._worker.running.values()):
            run.interrupt(RunLostError("the node was given up for lost, and its runs given to others"))
        old = self._identity.renew()
        now, data = self._store.now_us(), {"new": self._identity.id}
        with self._store.write() as tx:
            tx.told.append(Event(at=now, kind="node.refused", subject=f"node:{old}", data=data))
        logger.warning("node %s was given up for lost (a long pause?); going on as %s", old, self._identity.id)

    def _save_duties(self) -> None:
        now, steady = self._store.now_us(), time.monotonic()

        def moment(at: float | None) -> int | None:
            return None if at is None else now - int((steady - at) * 1_000_000)

        rows = []
        for runner in self.runners:
            patience = int(max(PATIENCE_SECONDS, 3 * runner.duty.interval) * 1_000_000)
            ticked_at = now if runner.duty is self else moment(runner.ticked_at)
            rows.append((runner.duty.name, ticked_at, moment(runner.failed_at), runner.error, patience))
        if rows:
            with self._store.write() as tx:
                tx.rows("nodes.save_duties", rows, node=self._identity.id)
