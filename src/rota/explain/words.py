"""Moments, lengths of time and counts inside a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo

from rota.clock import from_us
from rota.model.duration import show_duration
from rota.shown import counted
from rota.store.queues import COUNT_CAP

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Words:
    """``now`` is in microseconds; ``zone`` is the one that moments are told in, ``None`` this machine's own."""

    now: int
    zone: tzinfo | None = UTC

    def moment(self, at: int) -> str:
        return f"{from_us(at).astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"

    def exact(self, at: int) -> str:
        """As ``moment``, with the fraction of its second if it has one: for two that are told side by side."""
        fraction = f".{at % SECOND:06}".rstrip("0").rstrip(".")
        return f"{from_us(at).astimezone(self.zone):%Y-%m-%d %H:%M:%S{fraction} %Z}"

    def distance(self, at: int) -> str:
        """``in 5m``, ``2m ago``, ``now`` inside half a second."""
        away = (at - self.now) / SECOND
        if abs(away) < 0.5:
            return "now"
        return f"in {show_duration(away)}" if away > 0 else f"{show_duration(-away)} ago"

    def both(self, at: int) -> str:
        return f"{self.moment(at)} ({self.distance(at)})"


def span(length_us: float) -> str:
    return show_duration(length_us / SECOND)


def counted_up_to(count: int, noun: str) -> str:
    """Of a count that stops at a cap: ``1 run``, ``3 runs``, ``10,000 or more runs``."""
    return counted(count, noun) if count < COUNT_CAP else f"{at_least(count)} {noun}s"


def at_least(count: int) -> str:
    """``9,999``, ``10,000 or more``."""
    return f"{count:,}{' or more' if count >= COUNT_CAP else ''}"


def by_whom(by: str | None, why: str | None) -> str:
    """`` by anna: migration``, as far as it is known."""
    return (f" by {by}" if by else "") + (f": {why}" if why else "")
