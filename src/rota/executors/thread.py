"""Attempts in this process: threads for ``def``, one event loop for ``async def``."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from rota.body.attempt import Attempt
from rota.body.desk import Desk
from rota.executors.port import OnEnd
from rota.model.attempt import Caps, Envelope
from rota.model.job import Job


class ThreadExecutor:
    """Does attempts as they come, at most ``threads`` of the ``def`` kind at one time; threads start when needed."""

    def __init__(self, threads: int, desk: Desk, now_us: Callable[[], int], caps: Caps, ended: OnEnd) -> None:
        self._limit = threads
        self._desk = desk
        self._now_us = now_us
        self._caps = caps
        self._ended = ended
        self._pid = os.getpid()
        self._queue: SimpleQueue[Attempt | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        return self._limit

    def attempt(self, envelope: Envelope, job: Job) -> Attempt:
        return Attempt(envelope, job, self._desk, self._now_us, self._caps)

    def submit(self, attempts: Sequence[Attempt]) -> None:
        now = time.monotonic()
        for attempt in attempts:
            if attempt.job.is_async:
                self._start_loop().call_soon_threadsafe(self._spawn, attempt)
            else:
                attempt.submitted_at = now
                self._queue.put(attempt)
                if len(self._threads) < self._limit:
                    self._start_thread()

    def take_back(self, waiting_longer_than: float = 0.0) -> list[Attempt]:
        taken: list[Attempt] = []
        kept: list[Attempt] = []
        limit = time.monotonic() - waiting_longer_than
        with suppress(Empty):
            while True:
                attempt = self._queue.get_nowait()
                if attempt is not None:
                    (taken if attempt.submitted_at <= limit else kept).append(attempt)
        for attempt in kept:
            self._queue.put(attempt)
        return taken

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def stop(self) -> None:
        """Let idle threads and the loop end. What a body does not give up stays in its (daemon) thread."""
        for _ in self._threads:
            self._queue.put(None)
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended: stopping twice is no mistake
                self._loop.call_soon_threadsafe(self._loop.stop)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"rota-work-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        queue, ended = self._queue, self._ended
        while True:
            attempt = queue.get()
            if attempt is None:
                return
            end = attempt.perform()
            self._end_forks()
            ended(attempt, end)

    def _start_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = self._loop = asyncio.new_event_loop()
            self._loop_thread = threading.Thread(target=self._run_loop, args=(loop,), name="rota-loop", daemon=True)
            self._loop_thread.start()
        return self._loop

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _spawn(self, attempt: Attempt) -> None:
        assert self._loop is not None  # noqa: S101 - we run on it
        task = self._loop.create_task(self._await(attempt))
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _await(self, attempt: Attempt) -> None:
        end = await attempt.perform_async()
        self._end_forks()
        self._ended(attempt, end)

    def _end_forks(self) -> None:
        """A body that forked, and whose child came back here: the child is no worker, and must not become one."""
        if os.getpid() != self._pid:
            os._exit(0)
