"""Gives back runs that only the ledger takes for this node's: no work for the heartbeat, which never waits for runs."""

from __future__ import annotations

import logging

from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight, Key
from rota.model.node import NodeSettings
from rota.shown import counted
from rota.store import Store, attempts, runs

logger = logging.getLogger("rota.engine")


class Strays:
    """The duty that looks for them, as often as the heart beats.

    A connection that broke between a claim and its answer, or during a hand-back, leaves such a run; the node's lease
    would hold it for ever. It has to be found twice, as a claim may be on its way from there to here.
    """

    name = "strays"

    def __init__(self, store: Store, identity: NodeIdentity, inflight: InFlight, settings: NodeSettings) -> None:
        self.interval = settings.heartbeat
        self._store = store
        self._identity = identity
        self._inflight = inflight
        self._seen: set[Key] = set()

    def tick(self) -> bool:
        with self._store.read() as tx:
            ledger = attempts.under_way(tx, self._identity.id)
        missing = ledger - self._inflight.keys()
        strays = sorted(missing & self._seen)
        self._seen = missing - self._seen
        if strays:
            logger.warning("%s of this node in the ledger alone: back to the queue", counted(len(strays), "run"))
            with self._store.write() as tx:
                runs.hand_back(tx, self._identity.id, strays)
        return False
