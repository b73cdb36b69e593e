"""Attempts in this process: threads for ``def``, one event loop for ``async def``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from rota.body import place
from rota.body.attempt import Attempt
from rota.body.desk import Desk
from rota.errors import ConflictError, RunLostError
from rota.executors.crew import Crew
from rota.executors.loop import Blocking, EventLoop
from rota.executors.port import OnEnd
from rota.model.attempt import Caps, Envelope
from rota.model.job import Job
from rota.model.run import LEASE_LAPSES

MOST_LENT = 256
"""Beyond, each further thread would wait for runs that come after all of these."""
_DO_NOT_WAIT = "Let the next step follow by itself: run.fan_out(…, then=…); or wait for runs of other nodes' queues."


class ThreadExecutor:
    """Does attempts as they come, at most ``threads`` of the ``def`` kind at one time; threads start when needed.

    A body that waits for a run lends its place: another thread takes it, and when the body has its place back, the next
    thread that is free ends. ``room`` is called when a place is lent. No body begins where the node is not ``trusted``.
    """

    def __init__(
        self,
        threads: int,
        desk: Desk,
        now_us: Callable[[], int],
        caps: Caps,
        ended: OnEnd,
        room: Callable[[], None] = lambda: None,
        trusted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._trusted = trusted
        self._room = room
        self._lent = 0
        self._lending = threading.Lock()
        self._desk = desk
        self._now_us = now_us
        self._caps = caps
        self._ended = ended
        self._pid = os.getpid()
        self._crew: Crew[Attempt] = Crew(threads, self._do, "rota-work")
        self._loop = EventLoop(self._await)
        self._place = self._lend  # made once, as it is set for each attempt

    @property
    def size(self) -> int:
        return self._crew.limit

    def attempt(self, envelope: Envelope, job: Job) -> Attempt:
        return Attempt(envelope, job, self._desk, self._now_us, self._caps)

    def submit(self, attempts: Sequence[Attempt]) -> None:
        now = time.monotonic()
        plain = []
        for attempt in attempts:
            if attempt.job.is_async:
                self._loop.submit(attempt)
            else:
                attempt.submitted_at = now
                plain.append(attempt)
        if plain:
            self._crew.add(plain)

    def take_back(self, waiting_longer_than: float = 0.0) -> list[Attempt]:
        taken: list[Attempt] = []
        kept: list[Attempt] = []
        limit = time.monotonic() - waiting_longer_than
        with suppress(IndexError):
            while True:
                attempt = self._crew.line.popleft()
                (taken if attempt.submitted_at <= limit else kept).append(attempt)
        self._crew.line.extendleft(reversed(kept))
        return taken

    @property
    def waiting(self) -> int:
        return len(self._crew.line)

    def stop(self) -> None:
        """Let idle threads and the loop end. What a body does not give up stays in its (daemon) thread."""
        self._crew.stop()
        self._loop.stop()

    def blocking(self) -> Blocking | None:
        """Whose ``async def`` body lets no other go on. To be asked again and again, by one thread."""
        return self._loop.blocking()

    def _do(self, attempt: Attempt) -> None:
        place.current.set(self._place)
        self._look_at_lease(attempt)
        end = attempt.perform()
        self._end_forks()
        self._ended(attempt, end)

    @contextmanager
    def _lend(self) -> Iterator[None]:
        """One place more, as long as a body waits."""
        with self._lending:
            if self._lent >= MOST_LENT:
                raise ConflictError(f"{self._lent:,} bodies of this node wait for runs already", hint=_DO_NOT_WAIT)
            self._lent += 1
        self._crew.resize(+1)
        self._room()
        try:
            yield
        finally:
            with self._lending:
                self._lent -= 1
            self._crew.resize(-1)

    async def _await(self, attempt: Attempt) -> None:
        place.current.set(self._place)  # it counts among all that are under way, though it takes no thread
        self._look_at_lease(attempt)
        end = await attempt.perform_async()
        self._end_forks()
        self._ended(attempt, end)

    def _look_at_lease(self, attempt: Attempt) -> None:
        """A node that was frozen wakes with runs claimed ahead that others have done: before any duty looks."""
        if not self._trusted():
            attempt.interrupt(RunLostError(LEASE_LAPSES))

    def _end_forks(self) -> None:
        """A body that forked, and whose child came back here: the child is no worker, and must not become one."""
        if os.getpid() != self._pid:
            os._exit(0)
