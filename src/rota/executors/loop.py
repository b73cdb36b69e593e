"""The event loop that the bodies of ``async def`` jobs share, and which of them blocks it."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from rota.body.attempt import Attempt

BLOCKED_SECONDS = 1.0
"""A loop that answers nobody for so long is blocked."""


class Blocking(NamedTuple):
    attempt: Attempt
    since: float
    """``time.monotonic()``."""
    where: str
    """``jobs.py:17 in sync``."""


class EventLoop:
    """Starts when first needed, in a thread of its own. ``perform`` is awaited with each attempt."""

    def __init__(self, perform: Callable[[Attempt], Coroutine[Any, Any, None]]) -> None:
        self._perform = perform
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """Those of attempts: the loop itself holds tasks weakly."""
        self._attempts: WeakKeyDictionary[asyncio.Task[Any], Attempt] = WeakKeyDictionary()
        """By task: those of attempts, and those that these began."""
        self._asked_at: float | None = None
        """When the loop was asked for an answer that has not come."""
        self._suspect: asyncio.Task[Any] | None = None
        self._suspect_since = 0.0
        self._stopping = False

    def submit(self, attempt: Attempt) -> None:
        self._start().call_soon_threadsafe(self._spawn, attempt)

    def stop(self) -> None:
        """A body that goes on is cancelled; twice is no mistake."""
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._loop.stop)

    def blocking(self) -> Blocking | None:
        """Whose body lets no other go on. To be asked again and again, by one thread: the loop is asked each time."""
        loop = self._loop
        if loop is None or not self._tasks:
            return None
        now, asked_at = time.monotonic(), self._asked_at
        if asked_at is None:  # and from here on it may answer at any moment
            asked_at, self._asked_at, self._suspect = now, now, None
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._answer)
        if now - asked_at < BLOCKED_SECONDS:
            return None
        suspect, self._suspect = self._suspect, asyncio.current_task(loop)
        if suspect is None or suspect is not self._suspect:
            self._suspect_since = asked_at if suspect is None else now
            return None  # many that take their turns are no one's fault
        attempt = self._attempts.get(suspect)
        return None if attempt is None else Blocking(attempt, self._suspect_since, self._where(attempt))

    def _answer(self) -> None:
        self._asked_at = None

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = self._loop = asyncio.new_event_loop()
            loop.set_task_factory(self._make_task)  # type: ignore[arg-type]  # its protocol cannot say "all that a task takes"
            self._thread = threading.Thread(target=self._run, args=(loop,), name="rota-loop", daemon=True)
            self._thread.start()
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            while not self._stopping:  # a body may end it for all others: by its `stop`, or a task that exits
                with suppress(SystemExit, KeyboardInterrupt):
                    loop.run_forever()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _spawn(self, attempt: Attempt) -> None:
        assert self._loop is not None  # noqa: S101 - we run on it
        task: asyncio.Task[None] = asyncio.Task(self._perform(attempt), loop=self._loop)
        self._attempts[task] = attempt
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """As the loop would; the attempt of a task is that of the task which begins it."""
        task = asyncio.Task(coroutine, loop=loop, **options)
        beginner = asyncio.current_task(loop)
        attempt = self._attempts.get(beginner) if beginner is not None else None
        if attempt is not None:
            self._attempts[task] = attempt
        return task

    def _where(self, attempt: Attempt) -> str:
        """The line of the job's own module that is under way, else the innermost one."""
        frame = sys._current_frames().get(self._thread.ident or 0) if self._thread else None  # noqa: SLF001
        module = inspect.unwrap(attempt.job.function).__code__.co_filename
        innermost = frame
        while frame is not None and frame.f_code.co_filename != module:
            frame = frame.f_back
        frame = frame or innermost
        return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else ""
