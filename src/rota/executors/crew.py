"""Threads that work off one line together, as few of them as keep it moving.

Where bodies take a few microseconds and call the system, threads hand the interpreter to one another at every call, and
that takes longer than the work: one thread does more than sixteen. Where bodies wait for something, sixteen do sixteen
times as much as one. Which it is cannot be told from outside; so a long line is tried now and then with one thread, and
what ends more attempts is kept.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.006
"""How long one number of threads is measured."""
STUCK_SECONDS = 0.002
"""One thread that ends nothing for so long waits, unless this process is busy: then it waits for the interpreter."""
LONGEST_SECONDS = 0.02
"""The same, however busy the process is."""
TRY_AGAIN_SECONDS = 1.0
WORTH = 0.8
"""One thread is kept if it ends at least this share of what all of them do."""


class Crew(Generic[T]):
    """At most ``limit`` threads call ``work`` with the items, in order; threads start when first needed."""

    def __init__(self, limit: int, work: Callable[[T], None], name: str) -> None:
        self.line: deque[T] = deque()
        self.done = 0
        """How many items were worked off; a few may be lost to threads that count at once."""
        self._limit = limit
        self._work = work
        self._name = name
        self._alone = False
        """Whether one thread works off a long line by itself."""
        self._awake = 0
        self._idle = 0
        self._started = 0
        self._stopped = False
        self._counting = threading.Lock()
        self._calls: SimpleQueue[None] = SimpleQueue()
        self._watched = threading.Event()
        self._watching = False

    @property
    def limit(self) -> int:
        return self._limit

    def resize(self, by: int) -> None:
        """So many threads more, or fewer: these end when they are idle."""
        with self._counting:
            self._limit += by
            if by < 0 and self._idle:
                self._call()  # it looks whether it is superfluous
        self._call_enough()

    def add(self, items: Iterable[T]) -> None:
        self.line.extend(items)
        is_long = len(self.line) > self._limit  # before it is worked off: who is left at its end may wait
        self._call_enough()
        if is_long:
            self._watch()

    def stop(self) -> None:
        """Let threads end when they are idle."""
        with self._counting:
            self._stopped = True
            for _ in range(self._idle):
                self._call()
        self._watched.set()

    def _call_enough(self) -> None:
        with self._counting:
            wanted = 1 if self._is_narrow() else min(self._limit, self._awake + len(self.line))
            while self._awake < wanted and (self._idle or self._started < self._limit):
                self._call()

    def _call(self) -> None:
        """Under the lock. The caller counts, so that no two threads are called for one item."""
        self._awake += 1
        if self._idle:
            self._idle -= 1
            self._calls.put(None)
        else:
            self._started += 1
            threading.Thread(target=self._run, name=f"{self._name}-{self._started}", daemon=True).start()

    def _is_narrow(self) -> bool:
        """A short line is worked off by all: whether they wait is not known yet, and the work is little."""
        return self._alone and len(self.line) > self._limit

    def _run(self) -> None:
        while True:
            self._work_off()
            with self._counting:
                if self._started > self._limit or (self._stopped and not self.line):
                    self._awake -= 1
                    self._started -= 1
                    return
                if self.line and (self._awake == 1 or not self._is_narrow()):
                    continue  # it came just now
                self._awake -= 1
                self._idle += 1
            self._calls.get()

    def _work_off(self) -> None:
        line, work = self.line, self._work
        while (self._awake == 1 or not self._is_narrow()) and self._started <= self._limit:
            try:
                item = line.popleft()
            except IndexError:
                return
            work(item)
            self.done += 1

    # --- one thread or all

    def _watch(self) -> None:
        """While the line is long, somebody compares. The watcher's thread is started once, when first needed."""
        if not self._watching:
            with self._counting:
                start, self._watching = not self._watching, True
            if start:
                threading.Thread(target=self._compare, name=f"{self._name}-watch", daemon=True).start()
        self._watched.set()

    def _compare(self) -> None:
        try_at = 0.0
        while not self._stopped:
            if len(self.line) <= self._limit:
                self._watched.clear()
                self._call_enough()
                self._watched.wait()
            elif time.monotonic() >= try_at:
                self._try_both()
                try_at = time.monotonic() + TRY_AGAIN_SECONDS
            elif self._alone:
                self._look_after_one(STUCK_SECONDS)
            else:
                time.sleep(LOOK_SECONDS)

    def _try_both(self) -> None:
        """Measure all, then one; keep one unless it does clearly less."""
        self._widen()
        all_of_them = self._rate()
        self._alone = True
        one = self._rate()
        if self._alone and one is not None and all_of_them is not None and one < WORTH * all_of_them:
            self._widen()

    def _rate(self) -> float | None:
        """Items worked off a second, from now on; ``None`` where the line became too short to tell."""
        begun, done = time.monotonic(), self.done
        while (left := begun + LOOK_SECONDS - time.monotonic()) > 0:
            if self._alone:
                self._look_after_one(left)
            else:
                time.sleep(left)
        return (self.done - done) / (time.monotonic() - begun) if len(self.line) > self._limit else None

    def _look_after_one(self, seconds: float) -> None:
        """Bring the others back where the one that works off the line waits, and is not just kept from going on."""
        begun, done, busy = time.monotonic(), self.done, time.process_time()
        time.sleep(min(seconds, STUCK_SECONDS))
        while self._alone and self.done == done and len(self.line) > self._limit:
            waited = time.monotonic() - begun
            if time.process_time() - busy < waited / 2 or waited > LONGEST_SECONDS:
                self._widen()
            else:
                time.sleep(STUCK_SECONDS)

    def _widen(self) -> None:
        self._alone = False
        self._call_enough()
