"""A node: its duties put together, started and stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
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
from rota.engine.hold import ACTING, HandsOff
from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.engine.pruner import Pruner
from rota.engine.pulse import Pulse, standing_still
from rota.engine.rescuer import Rescuer
from rota.engine.scheduler import Scheduler
from rota.engine.service import Duty, Outage, Runner
from rota.engine.stager import Stager
from rota.engine.strays import Strays
from rota.engine.watcher import Watcher
from rota.engine.worker import Worker
from rota.errors import RunLostError, StoreError, StoreReplacedError
from rota.executors.port import Executor, Kind, Underway
from rota.executors.process.executor import ProcessExecutor
from rota.executors.thread import ThreadExecutor
from rota.model.attempt import Caps, End
from rota.model.event import Event
from rota.model.node import NodeSettings, Slots
from rota.model.run import AttemptRecord
from rota.shown import counted
from rota.store import Store, attempts, nodes, queues, runs

logger = logging.getLogger("rota.engine")
SHARDS = 8
LISTENERS_SECONDS = 2.0
"""How long a stopping node waits, at its very end, for listeners that have not been told everything."""
GRACE_SECONDS = 2.0
"""How long bodies that were told to stop, at the end of the drain, get to do so."""
CLOSING_SECONDS = 4.0
"""All that comes after the drain, the grace included, has so long, whatever hangs or is away."""
RUNNERS_SECONDS = 5.0
SAYING_SECONDS = 0.5
"""How long a stop waits until the ledger knows of it: with the database away, nobody would hear."""


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
        child: Sequence[str] | None = None,
    ) -> None:
        jobs = enqueuer.jobs
        self.store = store
        self.settings = settings
        self.identity = NodeIdentity(store, settings, version, application, enqueuer.environment, self._slots)
        self.stopped = threading.Event()
        self.asked_to_stop = threading.Event()
        self.fatal: StoreReplacedError | None = None
        """Why it asked itself to stop: the database is another one."""
        self.inflight = InFlight()
        self._application = application
        self._enqueuer = enqueuer
        self._listeners = listeners
        self._pulses: list[Pulse] = []
        shard = crc32(self.identity.id.encode()) % SHARDS
        self._threads = self._make_threads()
        self._executors = self._make_executors(child)
        self.claimer = Claimer(store, jobs, self.identity, self.inflight, settings)
        self.worker = Worker(
            store, jobs, self.identity, self.claimer, self._executors, self.inflight, settings, enqueuer.environment
        )
        self.finisher = Finisher(store, self.inflight, self.claimer, listeners, settings, shard)
        self.heartbeat = Heartbeat(
            store, self.identity, self.inflight, listeners, self._pulses, self.asked_to_stop, settings
        )
        self.duties = self._duties(shard)
        self._pulses += [_pulse(duty) for duty in self.duties]
        self._turns = [self._with_hands_off(duty) for duty in self.duties]
        self._runners = self._run(self._turns)

    def _make_threads(self) -> ThreadExecutor:
        desk = LedgerDesk(self.store, self._enqueuer)
        inflight = self.inflight
        return ThreadExecutor(
            self.settings.threads,
            desk,
            self.store.now_us,
            self._caps,
            inflight.end,
            inflight.room.set,
            self.identity.trusted,
        )

    def _make_executors(self, child: Sequence[str] | None) -> dict[Kind, Executor[Any]]:
        """``child`` is the command that starts a process for one slot; without it, this node has no slots."""
        executors: dict[Kind, Executor[Any]] = {"thread": self._threads}
        if child is not None:
            executors["process"] = ProcessExecutor(
                self.settings.slots, child, self.store.now_us, self._caps, self.inflight.end, self.identity.trusted
            )
        return executors

    def _slots(self) -> Slots:
        size = self._executors["process"].size if "process" in self._executors else 0
        return Slots(size, min(size, self.inflight.count("process")))

    @property
    def _caps(self) -> Caps:
        return Caps(self.settings.result_bytes, self.settings.log_lines, self.settings.log_bytes)

    def _duties(self, shard: int) -> list[Duty]:
        duties: list[Duty] = [self.heartbeat]
        if self.settings.schedules:
            duties += [
                Declarer(self.store, self._application),
                Scheduler(self.store, self._enqueuer, self.identity),
                Stager(self.store, self._enqueuer, self.settings, shard),
                Rescuer(self.store, self.identity, shard),
                Pruner(self.store, self.settings),
            ]
        if self.settings.work:
            duties += [
                self.worker,
                self.finisher,
                Guard(self.identity, self.inflight),
                Watcher(self.store, self.identity, self.inflight, self._threads),
                Strays(self.store, self.identity, self.inflight, self.settings),
            ]
        return duties

    def _with_hands_off(self, duty: Duty) -> Duty:
        """It rests while the ledger is held, and what was claimed before that goes back."""
        if duty.name not in ACTING:
            return duty
        rest = self.worker.take_back if duty is self.worker else lambda: None
        return HandsOff(duty, self.identity.hold, self.settings.poll, rest)

    def _run(self, duties: list[Duty]) -> dict[str, Runner]:
        wakes = {"worker": self.inflight.room, "finisher": self.inflight.some_over}
        outage = Outage()
        return {
            duty.name: Runner(duty, outage, pulse=pulse, wake=wakes.get(duty.name), give_up=self._give_up)
            for duty, pulse in zip(duties, self._pulses, strict=True)
        }

    def _give_up(self, error: StoreReplacedError) -> None:
        if self.fatal is None:
            self.fatal = error
            logger.critical("%s; this node ends", error)
            self.asked_to_stop.set()

    def start(self) -> None:
        """Register, and begin every duty. The store must be migrated."""
        log.capture()
        self._make_queues()
        self.identity.register()
        self._listeners.begin()
        self._record("node.started")
        self.store.wakes.append(self._waker("worker"))
        self.store.time_wakes += [self._waker("scheduler"), self._waker("stager")]
        for runner in self._runners.values():
            runner.start()
        threading.Thread(target=self._listen, name="rota-listen", daemon=True).start()

    def stop(self, drain: float | None = None) -> bool:
        """Stop in steps: no new work; wait for what runs; tell the rest to stop; hand back what is left.

        Returns whether everything that ran came to its end. ``drain``: seconds to wait, else the settings' own. It
        returns ``CLOSING_SECONDS`` later at the latest: what it could not hand back by then, the lease will.
        """
        deadline = time.monotonic() + (self.settings.drain if drain is None else drain)
        last = deadline + CLOSING_SECONDS
        self.worker.draining = True
        self._within(time.monotonic() + SAYING_SECONDS, self._say_it_drains)
        first = min(max(deadline, time.monotonic() + 1.0), time.monotonic() + RUNNERS_SECONDS)
        self._stop_runners(first, "declarer", "scheduler", "stager", "rescuer", "pruner", "strays", "worker")
        self._within(first + 0.5, self.worker.take_back)
        finished = self._wait_for_bodies(deadline)
        if not finished:
            self.inflight.interrupt_all(RunLostError("the node is stopping"))
            self._wait_for_bodies(min(time.monotonic() + GRACE_SECONDS, last - 2.0))
        self._end(last)
        return finished

    def hanging(self, leases: float = 1.0) -> list[str]:
        """The duties and listeners that have been in one turn for longer than so many leases."""
        patience = leases * self.settings.lease
        return [each.name for each in standing_still((*self._pulses, *self._listeners.pulses()), patience)]

    def tick_all(self) -> bool:
        """Tick every duty once, in order, in this thread, and wait for the bodies that began."""
        more = False
        for duty in self._turns:
            if duty is not self.finisher:
                more = duty.tick() or more
        pause = 0.0002
        while len(self.inflight):
            if self._threads.size > self.settings.threads:  # bodies that wait for runs, which somebody must do
                self.finisher.tick()
                self.worker.tick()
            time.sleep(pause)
            pause = min(2 * pause, 0.005)  # to look more often would take the interpreter from the bodies
        while self.inflight.uncommitted:
            self.finisher.tick()
            more = True
        return more

    def _wait_for_bodies(self, deadline: float) -> bool:
        while len(self.inflight) and time.monotonic() < deadline:
            with self.inflight.committed:
                self.inflight.committed.wait(0.05)
        return not len(self.inflight)

    def _end(self, last: float) -> None:
        """Each step gets half of the time that is left."""
        self._stop_runners(_half(last), "guard", "watcher", "finisher")
        self._within(_half(last), self._finish_all)
        self.finisher.failures.flush(last=True)
        self._within(_half(last), self._hand_back_rest)
        self._stop_runners(_half(last), "heartbeat")
        for executor in self._executors.values():
            executor.stop()
        self._within(_half(last), self._sign_off)
        self._listeners.end(min(last, time.monotonic() + LISTENERS_SECONDS))
        self.stopped.set()

    def _stop_runners(self, until: float, *names: str) -> None:
        runners = [self._runners[name] for name in names if name in self._runners]
        for runner in runners:
            runner.ask_to_stop()
        for runner in runners:
            if not runner.stop(max(0.0, until - time.monotonic())):
                logger.error("stopping: the %s has not returned", runner.duty.name)

    def _finish_all(self) -> None:
        while self.inflight.uncommitted:
            self.finisher.tick()

    def _hand_back_rest(self) -> None:
        """Bodies that would not stop: their runs go back, and whatever they still return will be refused."""
        left = [attempt for attempt in self.inflight if attempt.envelope.node == self.identity.id]
        if left:
            logger.warning("%s did not stop in time: back to the queue", counted(len(left), "run"))
            now = self.store.now_us()
            with self.store.write() as tx:
                runs.hand_back(tx, self.identity.id, [attempt.key for attempt in left])
                attempts.add(tx, [_handed_back(attempt, now) for attempt in left if attempt.started_us])

    def _say_it_drains(self) -> None:
        with self.store.write() as tx:
            nodes.drain(tx, self.identity.id, self.store.now_us())

    def _sign_off(self) -> None:
        with self.store.write() as tx:
            self.identity.stop(tx)
        self._record("node.stopped")

    def _record(self, kind: str) -> None:
        with self.store.write() as tx:
            tx.events.append(Event(at=self.store.now_us(), kind=kind, subject=f"node:{self.identity.id}"))

    def _within(self, until: float, step: Callable[[], object]) -> None:
        """Stopping goes on whatever one step meets, and however long it takes."""
        name = getattr(step, "__name__", str(step)).strip("_").replace("_", " ")

        def take() -> None:
            try:
                step()
            except StoreError as error:
                logger.warning("stopping: %s failed: %s", name, error)
            except Exception:
                logger.exception("stopping: %s failed", name)

        thread = threading.Thread(target=take, name=f"rota-stop-{name}", daemon=True)
        thread.start()
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            logger.error("stopping: %s takes too long, and is left", name)

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
                self.store.listen(lambda: self.identity.id, self.stopped)
            except Exception as error:  # noqa: BLE001 - a hint less, no more than that
                logger.debug("listening for hints failed: %s", error)
            self.stopped.wait(5.0)


def _handed_back(attempt: Underway, now: int) -> AttemptRecord:
    run = attempt.envelope
    return AttemptRecord(
        run_id=run.id,
        number=run.attempt,
        node=run.node,
        started_at=attempt.started_us,
        finished_at=now,
        outcome=End.HANDED_BACK,
        error="the node stopped, and its body did not",
        traceback=None,
    )


def _half(last: float) -> float:
    """The moment halfway from now to ``last``."""
    now = time.monotonic()
    return now + max(0.0, last - now) / 2


def _pulse(duty: Duty) -> Pulse:
    return Pulse(duty.name, duty.interval, unable=duty.unable.reasons if isinstance(duty, Scheduler) else dict)
