"""What time it is, for everything that asks: a clock is injected, so that tests own the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from rota.errors import ConfigError, MomentError
from rota.shown import shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
"""Microseconds in one."""
_MICROSECOND = timedelta(microseconds=1)
_AWARE = "Give a datetime with a zone, as in datetime.now(UTC)."


class Clock(Protocol):
    """Tells the moment, as microseconds of UTC since 1970: the form in which the store keeps it."""

    def now_us(self) -> int: ...


class SystemClock:
    """The clock of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000


class ManualClock:
    """A clock that stands still until it is told to move: for tests.

    >>> clock = ManualClock(datetime(2026, 3, 29, 0, 59, tzinfo=UTC))
    >>> clock.advance(minutes=2)
    >>> clock.now().isoformat()
    '2026-03-29T01:01:00+00:00'
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now_us = to_us(start)

    def now_us(self) -> int:
        return self._now_us

    def now(self) -> datetime:
        return from_us(self._now_us)

    def advance(self, **duration: float) -> None:
        """Move on by a duration given as for ``timedelta``; it may be negative, as clocks of machines can."""
        try:
            self._now_us += timedelta(**duration) // _MICROSECOND
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"the clock cannot be moved: {error}", hint="As in clock.advance(minutes=2).") from None

    def set(self, moment: datetime) -> None:
        self._now_us = to_us(moment)


def to_us(moment: datetime) -> int:
    """Microseconds of UTC of an aware datetime; a naive one raises ``MomentError``, because it names none."""
    if not isinstance(moment, datetime):
        raise MomentError(f"{shown(moment)} is no datetime", hint=_AWARE)
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise MomentError(f"{shown(moment)} has no time zone", hint=_AWARE)
    return (moment - EPOCH) // _MICROSECOND


def from_us(moment_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=moment_us)
