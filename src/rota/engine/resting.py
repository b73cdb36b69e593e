"""What rests: jobs and queues whose rates are used up, as this node last saw them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Rest(NamedTuple):
    """From when until when a rate lets nobody start, and when that was last seen. Microseconds of UTC."""

    since: int
    seen_at: int
    until: int


class Resting:
    """By name of a job or of a queue."""

    __slots__ = ("_rests",)

    def __init__(self) -> None:
        self._rests: dict[str, Rest] = {}

    def get(self, name: str) -> Rest | None:
        """The last rest, also one that is over: what waited meanwhile may be claimed only now."""
        return self._rests.get(name)

    def of(self, names: Iterable[str]) -> dict[str, Rest]:
        return {name: rest for name in names if (rest := self._rests.get(name)) is not None}

    def now(self, names: Iterable[str], now: int) -> dict[str, Rest]:
        """Those that rest still. One that was seen in the future stands for a clock that was set back: it is over."""
        return {name: rest for name, rest in self.of(names).items() if rest.seen_at <= now < rest.until}

    def update(self, asked: Iterable[str], used_up: Mapping[str, int], now: int) -> None:
        """After a claim: which of them rest, and until when."""
        for name in asked:
            if name in used_up:
                before = self._rests.get(name)
                self._rests[name] = Rest(before.since if before else now, now, used_up[name])
            else:
                self._rests.pop(name, None)
