"""Extends the node's lease, and commits when each of its duties last worked, so that others can watch over it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence

from rota.engine.events import Listeners
from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.engine.pulse import Pulse, standing_still
from rota.errors import RunLostError
from rota.model.event import Event
from rota.model.node import DutyRecord, NodeSettings
from rota.store import Store, nodes

logger = logging.getLogger("rota.engine")
PATIENCE_SECONDS = 30.0
KEEPS_THE_LEASE = ("worker", "finisher")
"""While one of these stands still, the node's runs are better off elsewhere."""
UNABLE_SHOWN = 10


class Heartbeat:
    """The duty that keeps the lease. ``asked_to_stop`` is set when a person drained the node, in the ledger."""

    name = "heartbeat"

    def __init__(
        self,
        store: Store,
        identity: NodeIdentity,
        inflight: InFlight,
        listeners: Listeners,
        pulses: Sequence[Pulse],
        asked_to_stop: threading.Event,
        settings: NodeSettings,
    ) -> None:
        self.interval = settings.heartbeat
        self._store = store
        self._identity = identity
        self._inflight = inflight
        self._listeners = listeners
        self._lease = settings.lease
        self._withheld = False
        self._pulses = pulses
        self._asked_to_stop = asked_to_stop

    def tick(self) -> bool:
        if not self._stands_still() and not self._identity.beat(len(self._inflight)):
            self._start_anew()
        self._save_duties()
        if self._identity.draining:
            self._asked_to_stop.set()
        return False

    def _stands_still(self) -> bool:
        """A node that starts nothing, or keeps no end, must not hold on to its runs: it lets its lease go."""
        still = [each for each in standing_still(self._pulses, self._lease) if each.name in KEEPS_THE_LEASE]
        if still and not self._withheld:
            names = " and the ".join(each.name for each in still)
            took = max(each.standing(time.monotonic()) for each in still)
            text = "the %s has stood still for %.0f s: this node lets its lease go, and others take its runs"
            logger.error(text, names, took)
        elif self._withheld and not still:
            logger.warning("nothing stands still any more: this node renews its lease again")
        self._withheld = bool(still)
        return self._withheld

    def _start_anew(self) -> None:
        """This node was given up for lost: others have its runs. Tell the bodies, and go on under a new identity."""
        self._inflight.interrupt_all(RunLostError("the node was given up for lost, and its runs given to others"))
        old = self._identity.renew()
        now, data = self._store.now_us(), {"new": self._identity.id}
        with self._store.write() as tx:
            tx.events.append(Event(at=now, kind="node.refused", subject=f"node:{old}", data=data))
        logger.warning("node %s was given up for lost (a long pause?); going on as %s", old, self._identity.id)

    def _save_duties(self) -> None:
        now, steady = self._store.now_us(), time.monotonic()

        def moment(at: float | None) -> int | None:
            return None if at is None else now - int((steady - at) * 1_000_000)

        duties = [
            DutyRecord(
                node=self._identity.id,
                name=pulse.name,
                ticked_at=now if pulse.name == self.name else moment(pulse.ticked_at),
                failed_at=moment(pulse.failed_at),
                error=self._trouble(pulse, steady),
                patience=int(self._patience(pulse, steady) * 1_000_000),
                unable=_first_of(pulse.unable()),
            )
            for pulse in (*self._pulses, *self._listeners.pulses())
        ]
        if duties:
            with self._store.write() as tx:
                nodes.save_duties(tx, self._identity.id, duties)

    def _patience(self, pulse: Pulse, now: float) -> float:
        """None with one that has not returned for a lease: it is told at once."""
        return 0.0 if pulse.standing(now) > self._lease else max(PATIENCE_SECONDS, 3 * pulse.interval)

    def _trouble(self, pulse: Pulse, now: float) -> str | None:
        took = pulse.standing(now)
        if took <= self._lease:
            return pulse.error
        return f"has not returned for {took:.0f} s" + (f"; {pulse.error}" if pulse.error else "")


def _first_of(unable: Mapping[str, str]) -> str | None:
    return json.dumps(dict(list(unable.items())[:UNABLE_SHOWN])) if unable else None
