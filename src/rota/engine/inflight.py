"""The attempts of this process: under way, or over and not yet in the ledger. The one registry of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rota.errors import Interrupted
from rota.executors.port import KINDS, Kind, Underway
from rota.model.attempt import Ended

Key = tuple[int, int]
"""Run and claim."""


class Over(NamedTuple):
    """An attempt with its end, on its way to the ledger."""

    attempt: Underway
    ended: Ended


class InFlight:
    """Everything that looks after attempts reads this: claimer, finisher, guard, watcher, heartbeat, strays.

    Attempts end in the threads that do them; everything here may be called from any thread.
    """

    def __init__(self) -> None:
        self.some_over = threading.Event()
        """Set when an end waits to be committed: it wakes the finisher."""
        self.room = threading.Event()
        """Set when so many have ended that it is worth claiming more: it wakes the worker."""
        self.hungry_below: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        """By kind of executor, how few may be under way before ``room`` is set."""
        self.completed: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        """How many have ended; a few may be lost to threads that count at once."""
        self.committed = threading.Condition()
        """Notified when ends have been committed."""
        self._underway: dict[Kind, dict[Key, Underway]] = {kind: {} for kind in KINDS}
        self._over: deque[Over] = deque()

    def begin(self, attempts: Iterable[Underway]) -> None:
        for attempt in attempts:
            self._underway[attempt.kind][attempt.envelope.key] = attempt

    def end(self, attempt: Underway, ended: Ended) -> None:
        kind = attempt.kind
        mine = self._underway[kind]
        self._over.append(Over(attempt, ended))
        mine.pop(attempt.envelope.key, None)  # after the line above: it is never in neither of the two
        self.completed[kind] += 1
        if len(self._over) == 1:
            self.some_over.set()
        if len(mine) <= self.hungry_below[kind]:
            self.room.set()

    def forget(self, attempts: Iterable[Underway]) -> None:
        """Attempts that will not be done here: they were taken back before they began."""
        for attempt in attempts:
            self._underway[attempt.kind].pop(attempt.envelope.key, None)

    def __len__(self) -> int:
        """How many are under way."""
        return sum(map(len, self._underway.values()))

    def __iter__(self) -> Iterator[Underway]:
        return iter([attempt for mine in self._underway.values() for attempt in list(mine.values())])

    def count(self, kind: Kind) -> int:
        """How many are under way with one kind of executor."""
        return len(self._underway[kind])

    def get(self, key: Key) -> Underway | None:
        return next((mine[key] for mine in self._underway.values() if key in mine), None)

    def keys(self) -> set[Key]:
        """Of all that this process answers for, also of ends that are not committed yet."""
        return {over.attempt.envelope.key for over in self._over.copy()}.union(*self._underway.values())

    @property
    def idle(self) -> bool:
        """Nothing is under way, and the ledger knows of every end."""
        return not len(self) and not self._over

    def overdue(self) -> list[Underway]:
        now = time.monotonic()
        return [each for each in self if each.deadline is not None and each.deadline < now]

    def interrupt_all(self, reason: Interrupted) -> None:
        for attempt in self:
            attempt.interrupt(reason)

    @property
    def uncommitted(self) -> int:
        return len(self._over)

    def ends(self, most: int) -> list[Over]:
        """The oldest ends that are not committed yet."""
        return [self._over[place] for place in range(min(len(self._over), most))]

    def commit(self, count: int) -> None:
        """The oldest ends are in the ledger now."""
        for _ in range(count):
            self._over.popleft()
        with self.committed:
            self.committed.notify_all()
