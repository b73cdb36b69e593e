"""Who this node is, and how long it may trust that it still is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from rota.engine.declarer import Application
from rota.engine.hold import Hold
from rota.model.node import NewNode, NodeSettings, Slots, machine_identity, new_node_id
from rota.model.process import resident_bytes
from rota.store import Store, Transaction, nodes, releases

TRUST = 0.8
"""The share of its lease for which a node believes in it: work stops before the lease does."""
STEP_SECONDS = 1.0
"""A clock that moved by more than this against the steady one was set."""


def steady_seconds() -> float:
    """A clock that goes on while the machine sleeps, where there is one: a sleep must not make a lease look fresh."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class NodeIdentity:
    """The node's row and lease. An identity that was given up for lost never comes back: ``renew`` makes a new one."""

    def __init__(
        self,
        store: Store,
        settings: NodeSettings,
        version: str,
        application: Application,
        environment: str | None = None,
        slots: Callable[[], Slots] = Slots,
    ) -> None:
        self.id = new_node_id()
        self.host = settings.host_name
        self.owner = application.name
        self.release_id = ""
        self.draining = False
        self.hold = Hold(store, application, environment)
        self._store = store
        self._settings = settings
        self._version = version
        self._application = application
        self._environment = environment
        self._slots = slots
        self._beaten_at: float | None = None
        self._gap_ended_at: float | None = None
        self._clock_distance: float | None = None

    def trusted(self) -> bool:
        return self._beaten_at is not None and self._now() - self._beaten_at < self._settings.lease * TRUST

    def may_judge(self) -> bool:
        """Whether it may give others up for lost: not in a gap of its own, nor soon after it.

        When the database was away, all leases have lapsed, and those who live need a moment to say so.
        """
        self._watch_clocks()
        gap = self._gap_ended_at
        return self.trusted() and (gap is None or self._now() - gap > 2 * self._settings.heartbeat)

    def _watch_clocks(self) -> None:
        """The database's clock was set: leases written before it mean nothing until their holders renew them."""
        distance = self._store.now_us() / 1_000_000 - self._now()
        if self._clock_distance is not None and abs(distance - self._clock_distance) > STEP_SECONDS:
            self._gap_ended_at = self._now()
        self._clock_distance = distance

    def register(self) -> None:
        at = self._now()
        release = self._application.release()
        with self._store.write() as tx:
            self._application.refuse_names_of_others(tx)
            now = self._store.now_us()
            releases.declare(tx, release, None)
            held = self.hold.move_in(tx, self.id)
            nodes.register(tx, self._new_node(release.id), now, now + self._lease_us)
        self.hold.remember(self.id, now, registered=True)
        self.release_id = release.id
        self._beaten_at = at
        self.hold.settle(held)

    def _new_node(self, release_id: str) -> NewNode:
        return NewNode(
            id=self.id,
            host=self.host,
            machine=machine_identity(),
            pid=os.getpid(),
            version=self._version,
            queues=",".join(self._settings.queues),
            owner=self.owner,
            release_id=release_id,
            threads=self._settings.threads,
            environment=self._environment,
            slots=self._slots().number,
        )

    def beat(self, running: int) -> bool:
        """Extend the lease; False: the node was given up for lost."""
        at = self._now()
        with self._store.write() as tx:
            now = self._store.now_us()
            held = self.hold.judge(tx, self.id)
            until, slots = now + self._lease_us, self._slots()
            known, draining = nodes.beat(
                tx, self.id, now=now, lease_until=until, running=running, slots=slots, rss=resident_bytes()
            )
        if not known:
            return False
        self.hold.remember(self.id, now)
        if not self.trusted():
            self._gap_ended_at = at
        self._beaten_at = at
        self.draining = self.draining or draining
        self.hold.settle(held)
        return True

    def renew(self) -> str:
        """Start anew under another identity; returns the old one."""
        old, self.id = self.id, new_node_id()
        self.register()
        return old

    def stop(self, tx: Transaction) -> None:
        nodes.stop(tx, self.id, self._store.now_us())

    @property
    def _lease_us(self) -> int:
        return int(self._settings.lease * 1_000_000)

    def _now(self) -> float:
        return self._store.now_us() / 1_000_000 if self._store.manual else steady_seconds()
