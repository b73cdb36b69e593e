"""Gives back runs that only the ledger takes for this node's: no work for the heartbeat, which never waits for runs."""

from __future__ import annotations

import logging

from rota.engine.finisher import Finisher
from rota.engine.identity import NodeIdentity
from rota.engine.worker import Worker
from rota.model.node import NodeSettings
from rota.store import Store, runs

logger = logging.getLogger("rota.engine")


class Strays:
    """The duty that looks for them, as often as the heart beats.

    So it is after a connection broke between a claim and its answer, or during a hand-back: the node's lease would hold
    such a run for ever. It has to be found so twice, as a claim may be under way from there to here.
    """

    name = "strays"

    def __init__(
        self, store: Store, identity: NodeIdentity, worker: Worker, finisher: Finisher, settings: NodeSettings
    ) -> None:
        self.interval = settings.heartbeat
        self._store = store
        self._identity = identity
        self._worker = worker
        self._finisher = finisher
        self._seen: set[tuple[int, int]] = set()

    def tick(self) -> bool:
        with self._store.read() as tx:
            ledger = {(row[0], row[1]) for row in tx.all("runs.held_by_node", node=self._identity.id)}
        missing = ledger - self._worker.running.keys() - self._finisher.waiting()
        strays = sorted(missing & self._seen)
        self._seen = missing - self._seen
        if strays:
            logger.warning("%d runs were this node's in the ledger alone; they go back to the queue", len(strays))
            with self._store.write() as tx:
                runs.hand_back(tx, self._identity.id, strays)
        return False
