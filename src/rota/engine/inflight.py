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


class Lane:
    """The attempts of one kind of executor."""

    __slots__ = ("completed", "hungry_below", "underway")

    def __init__(self) -> None:
        self.underway: dict[Key, Underway] = {}
        self.hungry_below = 0
        """How few may be under way before the worker is woken to claim more."""
        self.completed = 0


class InFlight:
    """Everything that looks after attempts reads this: claimer, finisher, guard, watcher, heartbeat, strays.

    Attempts end in the threads that do them; everything here may be called from any thread.
    """

    def __init__(self) -> None:
        self.some_over = threading.Event()
        """Set when an end waits to be committed: it wakes the finisher."""
        self.room = threading.Event()
        """Set when so many have ended that it is worth claiming more: it wakes the worker."""
        self.lanes: dict[Kind, Lane] = {kind: Lane() for kind in KINDS}
        self.committed = threading.Condition()
        """Notified when ends have been committed."""
        self._over: deque[Over] = deque()

    def begin(self, attempts: Iterable[Underway]) -> None:
        for attempt in attempts:
            self.lanes[attempt.kind].underway[attempt.key] = attempt

    def end(self, attempt: Underway, ended: Ended) -> None:
        lane, over = self.lanes[attempt.kind], self._over
        over.append(Over(attempt, ended))
        lane.underway.pop(attempt.key, None)  # after the line above: it is never in neither of the two
        lane.completed += 1
        if len(over) == 1:
            self.some_over.set()
        if len(lane.underway) <= lane.hungry_below and not self.room.is_set():
            self.room.set()

    def forget(self, attempts: Iterable[Underway]) -> None:
        """Attempts that will not be done here: they were taken back before they began."""
        for attempt in attempts:
            self.lanes[attempt.kind].underway.pop(attempt.key, None)

    def __len__(self) -> int:
        """How many are under way."""
        return sum(len(lane.underway) for lane in self.lanes.values())

    def __iter__(self) -> Iterator[Underway]:
        return iter([attempt for lane in self.lanes.values() for attempt in list(lane.underway.values())])

    @property
    def completed(self) -> int:
        """How many have ended since the node started; a few may be lost to threads that count at once."""
        return sum(lane.completed for lane in self.lanes.values())

    def count(self, kind: Kind) -> int:
        """How many are under way with one kind of executor."""
        return len(self.lanes[kind].underway)

    def get(self, key: Key) -> Underway | None:
        return next((each for lane in self.lanes.values() if (each := lane.underway.get(key)) is not None), None)

    def keys(self) -> set[Key]:
        """Of all that this process answers for, also of ends that are not committed yet."""
        over = {each.attempt.key for each in self._over.copy()}
        return over.union(*(lane.underway for lane in self.lanes.values()))

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
