"""The slots together: attempts wait for the next free one; slots start when they are first needed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from rota.executors.port import OnEnd
from rota.executors.process.remote import RemoteAttempt
from rota.executors.process.slot import Slot
from rota.model.attempt import Caps, End, Ended, Envelope
from rota.model.job import Job
from rota.model.run import LEASE_LAPSES

logger = logging.getLogger("rota.engine")
LONGEST_PAUSE = 30.0


class ProcessExecutor:
    """At most ``slots`` attempts at one time. ``command`` starts a child; three descriptors are added to it."""

    def __init__(
        self,
        slots: int,
        command: Sequence[str],
        now_us: Callable[[], int],
        caps: Caps,
        ended: OnEnd,
        trusted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._trusted = trusted
        self.error = ""
        """Why no child could be started, the last time it was tried."""
        self._limit = slots
        self._command = command
        self._now_us = now_us
        self._caps = caps
        self._ended = ended
        self._queue: SimpleQueue[RemoteAttempt | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._taken = 0
        """Attempts that wait or are done. Counted before a thread can take them, so that none waits for a busy one."""
        self._counting = threading.Lock()
        self._failures = 0
        self._usable_at = 0.0

    @property
    def size(self) -> int:
        """None for a while that grows, where the application cannot be loaded in a child."""
        return self._limit if time.monotonic() >= self._usable_at else 0

    def attempt(self, envelope: Envelope, job: Job) -> RemoteAttempt:
        return RemoteAttempt(envelope, job, self._now_us, self._caps)

    def submit(self, attempts: Sequence[RemoteAttempt]) -> None:
        now = time.monotonic()
        with self._counting:
            self._taken += len(attempts)
            while len(self._threads) < min(self._limit, self._taken):
                self._start_thread()
        for attempt in attempts:
            attempt.submitted_at = now
            self._queue.put(attempt)

    def take_back(self, waiting_longer_than: float = 0.0) -> list[RemoteAttempt]:
        taken: list[RemoteAttempt] = []
        kept: list[RemoteAttempt] = []
        limit = time.monotonic() - waiting_longer_than
        with suppress(Empty):
            while True:
                attempt = self._queue.get_nowait()
                if attempt is not None:
                    (taken if attempt.submitted_at <= limit else kept).append(attempt)
        for attempt in kept:
            self._queue.put(attempt)
        self._given_back(len(taken))
        return taken

    def stop(self) -> None:
        """Idle slots end; one that is busy ends with its attempt, or with this process."""
        for _ in self._threads:
            self._queue.put(None)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"rota-slot-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        slot = Slot(self._command)
        while (attempt := self._queue.get()) is not None:
            ended = self._perform(slot, attempt)
            self._given_back(1)
            self._ended(attempt, ended)
        slot.close()

    def _given_back(self, count: int) -> None:
        with self._counting:
            self._taken -= count

    def _perform(self, slot: Slot, attempt: RemoteAttempt) -> Ended:
        """However the slot fails, the attempt ends, and its thread goes on."""
        if not self._trusted():
            attempt.unusable(LEASE_LAPSES)
            assert attempt.ended is not None  # noqa: S101 - it is now
            return attempt.ended
        try:
            slot.perform(attempt)
        except BaseException as error:
            logger.exception("a slot failed")
            slot.close()
            attempt.killed(End.CRASHED, f"its slot failed: {type(error).__name__}: {error}")
        self._note(slot.error)
        assert attempt.ended is not None  # noqa: S101 - each way out of the slot ends it
        return attempt.ended

    def _note(self, error: str) -> None:
        if error and error != self.error:
            logger.error("no process can be started for jobs with executor=process: %s", error)
        self.error = error
        self._failures = self._failures + 1 if error else 0
        if error:
            self._usable_at = time.monotonic() + min(LONGEST_PAUSE, 0.5 * 2.0 ** min(self._failures, 8))
