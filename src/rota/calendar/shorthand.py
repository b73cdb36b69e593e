"""The short words with which a program says when: ``cron``, ``every``, ``at``, ``any_of``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from rota.calendar.expression import Cron, Gap, Overlap
from rota.calendar.given import zone_name
from rota.calendar.interval import Every
from rota.calendar.moments import At
from rota.calendar.trigger import AnyOf, Trigger
from rota.errors import CronError


def cron(expression: str, *, tz: str | tzinfo = "UTC", gap: Gap = "after_gap", overlap: Overlap = "first") -> Cron:
    """When the clock of a zone shows what an expression says: ``cron("0 6 * * MON", tz="Europe/Paris")``."""
    try:
        return _shared(expression, zone_name(tz), gap, overlap)
    except TypeError:  # no text at all: it says so itself
        return Cron(expression, zone_name(tz), gap, overlap)


_shared = lru_cache(maxsize=4096)(Cron)
"""Many schedules are due at the same times."""


def every(
    interval: timedelta | str | None = None,
    *,
    weeks: float = 0,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    anchor: datetime | None = None,
    tz: str | tzinfo = "UTC",
) -> Every:
    """At a fixed interval of absolute time: ``every("90s")``, ``every(hours=6)``, ``every(timedelta(1))``."""
    try:
        given = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (TypeError, ValueError, OverflowError) as error:
        raise CronError(f"it is no interval: {error}", hint='as every("6h") or as every(hours=6)') from None
    if (interval is None) == (given == timedelta()):
        raise CronError("an interval is given once", hint='as every("6h") or as every(hours=6)')
    return Every(given if interval is None else interval, anchor, tz)


def at(moments: datetime | Iterable[datetime], *, tz: str | tzinfo = "UTC") -> At:
    """At one moment, or at each of several, once."""
    return At(moments, tz)


def any_of(*triggers: Trigger) -> AnyOf:
    """Whenever one of the triggers fires."""
    return AnyOf(*triggers)
