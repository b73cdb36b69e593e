"""A node: its duties put together, started and stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from zlib import crc32

from rota.engine import logs
from rota.engine.context import Run
from rota.engine.enqueue import Enqueuer, Origin, check_arguments, insert_alike
from rota.engine.events import Listeners
from rota.engine.finisher import Finisher
from rota.engine.guard import Guard
from rota.engine.heartbeat import Heartbeat
from rota.engine.identity import NodeIdentity
from rota.engine.lease import Lock
from rota.engine.pruner import Pruner
from rota.engine.rescuer import Rescuer
from rota.engine.scheduler import Scheduler
from rota.engine.service import Duty, Outage, Runner
from rota.engine.stager import Stager
from rota.engine.strays import Strays
from rota.engine.watcher import Watcher
from rota.engine.worker import Worker
from rota.errors import PayloadError, RunLostError
from rota.model import payload
from rota.model.event import Event, run_event
from rota.model.node import NodeSettings
from rota.model.options import Options
from rota.store import Store, runs

logger = logging.getLogger("rota.engine")
SHARDS = 8
GRACE_SECONDS = 2.0
"""How long bodies that were told to stop, at the end of the drain, get to do so."""


class Node:
    """One process at work. ``start`` and ``stop`` for a program; ``tick_all`` for a test under a manual clock."""

    def __init__(
        self, store: Store, enqueuer: Enqueuer, listeners: Listeners, settings: NodeSettings, version: str
    ) -> None:
        self.store = store
        self.settings = settings
        self.identity = NodeIdentity(store, settings, version, enqueuer.jobs)
        self.stopped = threading.Event()
        self.asked_to_stop = threading.Event()
        self._enqueuer = enqueuer
        shard = crc32(self.identity.id.encode()) % SHARDS
        self.worker = Worker(store, enqueuer.jobs, self.identity, self, settings)
        self.finisher = Finisher(store, listeners, settings, shard)
        self.worker.ended = self.finisher.add
        self.finisher.capped = lambda: self.worker.capped
        self.worker.all_committed = lambda: self.finisher.empty
        self.heartbeat = Heartbeat(store, self.identity, self.worker, settings)
        self.heartbeat.drain = self.asked_to_stop.set
        self.duties: list[Duty] = self._duties(shard)
        outage = Outage()
        self._runners = {duty.name: Runner(duty, outage) for duty in self.duties}

    def _duties(self, shard: int) -> list[Duty]:
        duties: list[Duty] = [self.heartbeat]
        if self.settings.schedules:
            duties += [
                Scheduler(self.store, self._enqueuer, self.identity),
                Stager(self.store, self._enqueuer, self.settings),
                Rescuer(self.store, self.identity, shard),
                Pruner(self.store, self.settings),
            ]
        if self.settings.work:
            watcher = Watcher(self.store, self.identity, self.worker)
            strays = Strays(self.store, self.identity, self.worker, self.finisher, self.settings)
            duties += [self.worker, self.finisher, Guard(self.identity, self.worker), watcher, strays]
        return duties

    def start(self) -> None:
        """Register, and begin every duty. The store must be migrated."""
        logs.capture()
        self._make_queues()
        self.identity.register()
        self._record("node.started")
        self.heartbeat.runners = list(self._runners.values())
        self.worker.wake = self._waker("worker")
        self.finisher.wake = self._waker("finisher")
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
        self.worker.wake = lambda: None
        for name in ("scheduler", "stager", "rescuer", "pruner", "strays", "worker"):
            if name in self._runners:
                self._runners[name].stop(timeout=5)
        self._quietly(self.worker.take_back)
        finished = self._wait_for_bodies(deadline)
        if not finished:
            for run in list(self.worker.running.values()):
                run.interrupt(RunLostError("the node is stopping"))
            self._wait_for_bodies(time.monotonic() + GRACE_SECONDS)
        self._end()
        return finished

    def tick_all(self) -> bool:
        """Tick every duty once, in order, in this thread, and wait for the bodies that began."""
        more = False
        for duty in self.duties:
            if duty is not self.finisher:
                more = duty.tick() or more
        while self.worker.running:
            time.sleep(0.0002)
        while not self.finisher.empty:
            more = self.finisher.tick() or True
        return more

    def _wait_for_bodies(self, deadline: float) -> bool:
        while self.worker.running and time.monotonic() < deadline:
            with self.finisher.committed:
                self.finisher.committed.wait(0.05)
        return not self.worker.running

    def _end(self) -> None:
        for name in ("guard", "watcher", "finisher"):
            if name in self._runners:
                self._runners[name].stop(timeout=5)
        self._quietly(self._finish_all)
        self._quietly(self._hand_back_rest)
        self._runners["heartbeat"].stop(timeout=5)
        self.worker.executor.stop()
        self._quietly(self._sign_off)
        self.stopped.set()

    def _finish_all(self) -> None:
        while not self.finisher.empty:
            self.finisher.tick()

    def _hand_back_rest(self) -> None:
        """Bodies that would not stop: their runs go back, and whatever they still return will be refused."""
        rows = [(run.id, run.attempt) for run in self.worker.running.values() if run.node_id == self.identity.id]
        if rows:
            logger.warning("%d runs did not stop in time; they go back to the queue", len(rows))
            with self.store.write() as tx:
                runs.hand_back(tx, self.identity.id, rows)

    def _sign_off(self) -> None:
        with self.store.write() as tx:
            self.identity.stop(tx)
        self._record("node.stopped")

    def _record(self, kind: str) -> None:
        with self.store.write() as tx:
            tx.told.append(Event(at=self.store.now_us(), kind=kind, subject=f"node:{self.identity.id}"))

    def _quietly(self, step: Any) -> None:
        """Stopping goes on whatever one step meets: what it could not hand back, the lease will."""
        try:
            step()
        except Exception:
            logger.exception("stopping: %s failed", getattr(step, "__name__", step))

    def _make_queues(self) -> None:
        names = {job.queue for job in self._enqueuer.jobs.values()} | {q for q in self.settings.queues if q != "*"}
        with self.store.write() as tx:
            tx.rows("queues.ensure", [(name,) for name in sorted(names)])

    def _waker(self, name: str) -> Any:
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

    # What a run asks of its node.

    def save_checkpoint(self, run: Run, text: str, connection: Any) -> bool:
        parameters = {"id": run.id, "attempt": run.attempt, "node": run.node_id, "checkpoint": text}
        if connection is not None:
            return self.store.joined(connection).run("runs.save_checkpoint", **parameters) == 1
        with self.store.write() as tx:
            return tx.run("runs.save_checkpoint", **parameters) == 1

    def fan_out(
        self,
        run: Run,
        job: str,
        items: Sequence[Mapping[str, Any]],
        then: str | None,
        then_arguments: Mapping[str, Any],
    ) -> int:
        child = self._enqueuer.job(job)
        if then is not None:
            check_arguments(self._enqueuer.job(then), {**then_arguments, "batch": None})
        now = self.store.now_us()
        text = payload.dump(then_arguments, "then_arguments")
        with self.store.write() as tx:
            if tx.one("runs.hold_attempt", id=run.id, attempt=run.attempt, node=run.node_id) is None:
                run.interrupt(RunLostError("the run was given to another node"))
                run.check()
            row = tx.one(
                "runs.add_batch",
                parent_run_id=run.id,
                job=child.name,
                total=len(items),
                then_job=then,
                then_arguments=text,
                now=now,
            )
            if row is None:
                raise PayloadError("the batch could not be made")
            options, origin = Options(by=f"run:{run.id}"), Origin(batch_id=row[0])
            insert_alike(tx, *self._enqueuer.alike(child, items, now, options, origin))
            tx.announce()
        return int(row[0])

    def emit(self, run: Run, kind: str, data: Mapping[str, Any]) -> None:
        with self.store.write() as tx:
            tx.told.append(run_event(kind, run.id, self.store.now_us(), data={"job": run.job, **data}))

    def lock(self, name: str, ttl: float, wait: float) -> AbstractContextManager[Any]:
        return Lock(self.store, name, ttl, wait)
