"""The clock on the wall, beside the moment that a run is told to take for now: a wait must be over by both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

LAG = timedelta(minutes=10)
"""So much later than its moment a run may well be at work: it is taken at its word."""


def wall_clock() -> datetime:
    return datetime.now(UTC)


class Moments(NamedTuple):
    """A wait begins at the later of the two, and is over when the earlier one has come."""

    earlier: datetime
    later: datetime

    @classmethod
    def of(cls, as_of: datetime, now: datetime) -> Moments:
        if timedelta(0) <= now - as_of <= LAG:
            return cls(as_of, as_of)
        return cls(min(as_of, now), max(as_of, now))
