"""How often a cron fires: its rate, and its shortest and longest pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from rota.calendar.expression import Cron
from rota.calendar.pattern import DAY
from rota.clock import SECOND, to_us

DAYS = 400
"""Over a year, so that every month and both changes of the clock are in it."""
_ENOUGH = 100_000
"""Fires looked at one by one; what fires oftener than 250 times a day repeats itself long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Rates are averages over many years; pauses are those of the next ``days``, ``None`` without two fires in them."""

    per_day: float
    per_year: float
    shortest: timedelta | None
    longest: timedelta | None
    days: int = DAYS


def rhythm(cron: Cron, now: datetime) -> Rhythm:
    """What to expect of the next 400 days."""
    pattern = cron.parsed.pattern
    start = to_us(now) // SECOND
    fires, ended = _fires(cron, start, start + DAYS * DAY)
    pauses = [later - earlier for earlier, later in pairwise(fires)]
    if not ended:
        # The days looked at are all alike inside; what is left are the pauses between days that match.
        days = pairwise(_days(cron, start + cron.zone.segment(start)[2]))
        pauses += [(later - earlier) * DAY + pattern.first_time - pattern.last_time for earlier, later in days]
    per_year = pattern.times_per_day * pattern.days_per_year()
    return Rhythm(
        per_day=per_year / 365.25,
        per_year=per_year,
        shortest=timedelta(seconds=min(pauses)) if pauses else None,
        longest=timedelta(seconds=max(pauses)) if pauses else None,
    )


def _fires(cron: Cron, start: int, end: int) -> tuple[list[int], bool]:
    """The coming fires, in seconds, and whether these are all until the end."""
    found: list[int] = []
    moment = cron.next_after_us(start * SECOND)
    while moment is not None and moment <= end * SECOND:
        if len(found) == _ENOUGH:
            return found, False
        found.append(moment // SECOND)
        moment = cron.next_after_us(moment)
    return found, True


def _days(cron: Cron, local: int) -> list[int]:
    """The matching days of the time looked at."""
    first_at, last = cron.parsed.pattern.first_at, local // DAY + DAYS
    found, day = [], first_at(local) // DAY
    while day < last:
        found.append(day)
        day = first_at((day + 1) * DAY) // DAY
    return found
