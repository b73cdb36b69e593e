"""Attempts in this process: threads for ``def``, one event loop for ``async def``."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar


class Work(Protocol):
    """An attempt, as far as an executor is concerned."""

    submitted_at: float

    @property
    def is_async(self) -> bool: ...

    def perform(self) -> None: ...

    def perform_async(self) -> Coroutine[Any, Any, None]: ...


W = TypeVar("W", bound=Work)


class LocalExecutor(Generic[W]):
    """Does attempts as they come, at most ``threads`` of the ``def`` kind at one time; threads start when needed.

    ``ended`` is called with each attempt when it is over, in the thread that did it.
    """

    def __init__(self, threads: int, ended: Callable[[W], None]) -> None:
        self._limit = threads
        self._ended = ended
        self._pid = os.getpid()
        self._queue: SimpleQueue[W | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, works: list[W]) -> None:
        """Take attempts on; those that find no free thread wait in order."""
        now = time.monotonic()
        for work in works:
            if work.is_async:
                self._start_loop().call_soon_threadsafe(self._spawn, work)
            else:
                work.submitted_at = now
                self._queue.put(work)
                if len(self._threads) < self._limit:
                    self._start_thread()

    def take_back(self, waiting_longer_than: float = 0.0) -> list[W]:
        """Attempts that have waited for a thread for so many seconds, not begun: they are the caller's again."""
        taken: list[W] = []
        kept: list[W] = []
        limit = time.monotonic() - waiting_longer_than
        with suppress(Empty):
            while True:
                work = self._queue.get_nowait()
                if work is not None:
                    (taken if work.submitted_at <= limit else kept).append(work)
        for work in kept:
            self._queue.put(work)
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
            work = queue.get()
            if work is None:
                return
            work.perform()
            self._end_forks()
            ended(work)

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

    def _spawn(self, work: W) -> None:
        assert self._loop is not None  # noqa: S101 - we run on it
        task = self._loop.create_task(self._await(work))
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _await(self, work: W) -> None:
        await work.perform_async()
        self._end_forks()
        self._ended(work)

    def _end_forks(self) -> None:
        """A body that forked, and whose child came back here: the child is no worker, and must not become one."""
        if os.getpid() != self._pid:
            os._exit(0)
