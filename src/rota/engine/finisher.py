"""Ends attempts in the ledger, many in one transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from rota.body.attempt import describe
from rota.engine.claimer import Claimer
from rota.engine.ending import Ending
from rota.engine.events import Listeners
from rota.engine.failures import FailureLog
from rota.engine.inflight import InFlight, Over
from rota.errors import StoreUnreachableError
from rota.model.attempt import End, Ended
from rota.model.node import NodeSettings
from rota.model.process import resident_bytes
from rota.shown import counted
from rota.store import Store, Transaction
from rota.store.database import Work, WorkKind

logger = logging.getLogger("rota.engine")
MOST_AT_ONCE = 2_000


class Finisher:
    """The duty that commits ends."""

    name = "finisher"

    def __init__(
        self,
        store: Store,
        inflight: InFlight,
        claimer: Claimer,
        listeners: Listeners,
        settings: NodeSettings,
        shard: int,
    ) -> None:
        self.interval = settings.heartbeat
        self._store = store
        self._inflight = inflight
        self._claimer = claimer
        self._listeners = listeners
        self._linger = 0.0 if store.manual else settings.linger
        self._shard = shard
        self._ticking = threading.Lock()
        self.failures = FailureLog()

    def tick(self) -> bool:
        """Commit what has gathered. What could not be committed stays, in order, for the next tick."""
        with self._ticking:  # while a node stops, two threads may come
            return self._tick()

    def _tick(self) -> bool:
        inflight = self._inflight
        self.failures.flush()
        if not inflight.uncommitted:
            return False
        if self._linger and inflight.uncommitted < MOST_AT_ONCE // 4:
            time.sleep(self._linger)
        batch = inflight.ends(MOST_AT_ONCE)
        try:
            self._commit(batch)
        except StoreUnreachableError:
            raise
        except Exception:
            logger.exception("the ends of %s could not be committed together", counted(len(batch), "run"))
            for over in batch:
                self._commit_alone(over)
        return inflight.uncommitted > 0

    def _commit_alone(self, over: Over) -> None:
        """What one run left behind cannot be stored: that is its failure, and keeps no other from its end."""
        try:
            self._commit([over])
        except StoreUnreachableError:
            raise
        except Exception as error:
            logger.exception("the end of run %d could not be committed", over.attempt.envelope.id)
            text = f"its outcome could not be stored: {describe(error)}"
            plain = Ended(End.FAILED, over.ended.started_at, over.ended.finished_at, error=text)
            self._commit([Over(over.attempt, plain)])

    def _commit(self, batch: Sequence[Over]) -> None:
        rss = resident_bytes()
        capped = self._claimer.capped
        by_node: dict[str, list[Over]] = defaultdict(list)
        for over in batch:
            by_node[over.attempt.envelope.node].append(over)
        now = self._store.now_us()
        endings = [Ending(node, mine, rss, now, self._listeners) for node, mine in by_node.items()]
        done: list[tuple[Over, str]] = []
        with self._store.write() as tx:  # of which SQLite has one at a time: all that needs none is done before it
            for ending in endings:
                done += ending.commit(tx, self._shard)
            if capped:
                _announce_capped(tx, batch, capped)
        self._inflight.commit(len(batch))
        self.failures.tell(done)


def _announce_capped(tx: Transaction, batch: Sequence[Over], capped: frozenset[str]) -> None:
    """In a queue that may run only so many at one time, each end lets another run begin."""
    ended = [over.attempt.envelope.queue for over in batch]
    work: Work = Counter(WorkKind(queue) for queue in ended if queue in capped)
    if work:
        tx.announce(work)
