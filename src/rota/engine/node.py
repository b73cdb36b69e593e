"""A node: its duties put together, started and stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from zlib import crc32

from rota.body import log
from rota.engine.claimer import Claimer
from rota.engine.declarer import Application, Declarer
from rota.engine.desk import LedgerDesk
from rota.engine.enqueue import Enqueuer
from rota.engine.events import Listeners
from rota.engine.finisher import Finisher
from rota.engine.guard import Guard
from rota.engine.heartbeat import Heartbeat
from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.engine.pruner import Pruner
from rota.engine.pulse import Pulse
from rota.engine.rescuer import Rescuer
from rota.engine.scheduler import Scheduler
from rota.engine.service import Duty, Outage, Runner
from rota.engine.stager import Stager
from rota.engine.strays import Strays
from rota.engine.watcher import Watcher
from rota.engine.worker import Worker
from rota.errors import RunLostError
from rota.executors.thread import ThreadExecutor
from rota.model.attempt import Caps
from rota.model.event import Event
from rota.model.node import NodeSettings
from rota.store import Store, queues, runs

logger = logging.getLogger("rota.engine")
SHARDS = 8
GRACE_SECONDS = 2.0
"""How long bodies that were told to stop, at the end of the drain, get to do so."""


class Node:
    """One process at work. ``start`` and ``stop`` for a program; ``tick_all`` for a test under a manual clock."""

    def __init__(
        self,
        application: Application,
        store: Store,
        enqueuer: Enqueuer,
        listeners: Listeners,
        settings: NodeSettings,
        version: str,
    ) -> None:
        jobs = enqueuer.jobs
        self.store = store
        self.settings = settings
        self.identity = NodeIdentity(store, settings, version, application)
        self.stopped = threading.Event()
        self.asked_to_stop = threading.Event()
        self.inflight = InFlight()
        self._application = application
        self._enqueuer = enqueuer
        self._pulses: list[Pulse] = []
        shard = crc32(self.identity.id.encode()) % SHARDS
        caps = Caps(settings.result_bytes, settings.log_lines, settings.log_bytes)
        desk = LedgerDesk(store, enqueuer)
        self._executor = ThreadExecutor(settings.threads, desk, store.now_us, caps, self.inflight.end)
        self.claimer = Claimer(store, jobs, self.identity, self.inflight, settings)
        self.worker = Worker(store, jobs, self.identity, self.claimer, self._executor, self.inflight, settings)
        self.finisher = Finisher(store, self.inflight, self.claimer, listeners, settings, shard)
        self.heartbeat = Heartbeat(store, self.identity, self.inflight, self._pulses, self.asked_to_stop, settings)
        self.duties = self._duties(shard)
        self._pulses += [_pulse(duty) for duty in self.duties]
        self._runners = self._run(self.duties)

    def _duties(self, shard: int) -> list[Duty]:
        duties: list[Duty] = [self.heartbeat]
        if self.settings.schedules:
            duties += [
                Declarer(self.store, self._application),
                Scheduler(self.store, self._enqueuer, self.identity),
                Stager(self.store, self._enqueuer, self.settings),
                Rescuer(self.store, self.identity, shard),
                Pruner(self.store, self.settings),
            ]
        if self.settings.work:
            duties += [
                self.worker,
                self.finisher,
                Guard(self.identity, self.inflight),
                Watcher(self.store, self.identity, self.inflight),
                Strays(self.store, self.identity, self.inflight, self.settings),
            ]
        return duties

    def _run(self, duties: list[Duty]) -> dict[str, Runner]:
        wakes = {"worker": self.inflight.room, "finisher": self.inflight.some_over}
        outage = Outage()
        return {
            duty.name: Runner(duty, outage, pulse=pulse, wake=wakes.get(duty.name))
            for duty, pulse in zip(duties, self._pulses, strict=True)
        }

    def start(self) -> None:
        """Register, and begin every duty. The store must be migrated."""
        log.capture()
        self._make_queues()
        self.identity.register()
        self._record("node.started")
        self.store.wakes.append(self._waker("worker"))
        self.store.time_wakes += [self._waker("scheduler"), self._waker("stager")]
        for runner in self._runners.values():
            runner.start()
        threading.Thread(target=self._listen, name="rota-listen", daemon=True).start()

    def stop(self, drain: float | None = None) -> bool:
        """Stop in steps: no new work; wait for what runs; tell the rest to stop; hand back what is left.

        Returns whether everything that ran came to its end. ``drain``: seconds to wait, else the settings' own.
        """
        deadline = time.monotonic() + (self.settings.drain if drain is None else drain)
        self.worker.draining = True
        self._stop_runners("declarer", "scheduler", "stager", "rescuer", "pruner", "strays", "worker")
        self._quietly(self.worker.take_back)
        finished = self._wait_for_bodies(deadline)
        if not finished:
            self.inflight.interrupt_all(RunLostError("the node is stopping"))
            self._wait_for_bodies(time.monotonic() + GRACE_SECONDS)
        self._end()
        return finished

    def tick_all(self) -> bool:
        """Tick every duty once, in order, in this thread, and wait for the bodies that began."""
        more = False
        for duty in self.duties:
            if duty is not self.finisher:
                more = duty.tick() or more
        while len(self.inflight):
            time.sleep(0.0002)
        while self.inflight.uncommitted:
            self.finisher.tick()
            more = True
        return more

    def _wait_for_bodies(self, deadline: float) -> bool:
        while len(self.inflight) and time.monotonic() < deadline:
            with self.inflight.committed:
                self.inflight.committed.wait(0.05)
        return not len(self.inflight)

    def _end(self) -> None:
        self._stop_runners("guard", "watcher", "finisher")
        self._quietly(self._finish_all)
        self._quietly(self._hand_back_rest)
        self._stop_runners("heartbeat")
        self._executor.stop()
        self._quietly(self._sign_off)
        self.stopped.set()

    def _stop_runners(self, *names: str) -> None:
        for name in names:
            if name in self._runners:
                self._runners[name].stop(timeout=5)

    def _finish_all(self) -> None:
        while self.inflight.uncommitted:
            self.finisher.tick()

    def _hand_back_rest(self) -> None:
        """Bodies that would not stop: their runs go back, and whatever they still return will be refused."""
        envelopes = [attempt.envelope for attempt in self.inflight]
        keys = [envelope.key for envelope in envelopes if envelope.node == self.identity.id]
        if keys:
            logger.warning("%d runs did not stop in time; they go back to the queue", len(keys))
            with self.store.write() as tx:
                runs.hand_back(tx, self.identity.id, keys)

    def _sign_off(self) -> None:
        with self.store.write() as tx:
            self.identity.stop(tx)
        self._record("node.stopped")

    def _record(self, kind: str) -> None:
        with self.store.write() as tx:
            tx.told.append(Event(at=self.store.now_us(), kind=kind, subject=f"node:{self.identity.id}"))

    def _quietly(self, step: Callable[[], object]) -> None:
        """Stopping goes on whatever one step meets: what it could not hand back, the lease will."""
        try:
            step()
        except Exception:
            logger.exception("stopping: %s failed", getattr(step, "__name__", step))

    def _make_queues(self) -> None:
        names = {job.queue for job in self._enqueuer.jobs.values()} | {q for q in self.settings.queues if q != "*"}
        with self.store.write() as tx:
            queues.ensure(tx, sorted(names))

    def _waker(self, name: str) -> Callable[[], None]:
        runner = self._runners.get(name)
        return runner.wake if runner else lambda: None

    def _listen(self) -> None:
        """Hear other processes announce work. A connection that breaks is made anew; meanwhile, polling goes on."""
        while not self.stopped.is_set():
            try:
                self.store.listen(self.stopped)
            except Exception as error:  # noqa: BLE001 - a hint less, no more than that
                logger.debug("listening for hints failed: %s", error)
            self.stopped.wait(5.0)


def _pulse(duty: Duty) -> Pulse:
    return Pulse(duty.name, duty.interval, unable=duty.unable.told if isinstance(duty, Scheduler) else dict)
