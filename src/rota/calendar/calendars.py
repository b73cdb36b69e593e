"""Calendars of exclusion: stretches of local time in which a trigger keeps silent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from typing import Any, Protocol, runtime_checkable

from rota.calendar.fields import DAY_WORDS
from rota.calendar.given import must_be, zone_name
from rota.calendar.zones import Zone, zone
from rota.clock import SECOND
from rota.errors import CronError

Window = tuple[int, int]
"""From, inclusive, to, exclusive."""

_DAY = 86_400
_WEEK = 7 * _DAY
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SUNDAY_BEFORE_EPOCH = -4 * _DAY
_WINDOW = re.compile(
    r"([A-Z]{3}(?:-[A-Z]{3})?(?:,[A-Z]{3}(?:-[A-Z]{3})?)*)(?:\s+([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2}))?",
    re.IGNORECASE | re.ASCII,
)


@runtime_checkable
class Calendar(Protocol):
    """Says which moments are covered."""

    __slots__ = ()

    def window_us(self, moment_us: int, place: Zone) -> Window | None:
        """A covered stretch around a moment, or ``None`` when it is free; microseconds of UTC since 1970.

        ``place`` is the zone of the trigger, which counts where the calendar has none of its own.
        """
        ...

    def to_data(self) -> dict[str, Any]:
        """The calendar as plain JSON data, from which ``calendar_from_data`` makes an equal one."""
        ...


class LocalCalendar(Calendar, Protocol):
    """A calendar that is read on the wall clock of its own zone, or of the trigger's."""

    __slots__ = ()

    @property
    def tz(self) -> str | None: ...

    def local_window(self, local: int) -> Window | None:
        """A covered stretch of local seconds since 1970 around this one."""
        ...

    def window_us(self, moment_us: int, place: Zone) -> Window | None:
        # Local seconds run evenly only within one segment of the zone; beyond it the question is asked again.
        start, end, offset = (place if self.tz is None else zone(self.tz)).segment(moment_us // SECOND)
        window = self.local_window(moment_us // SECOND + offset)
        if window is None:
            return None
        return max(window[0] - offset, start) * SECOND, min(window[1] - offset, end) * SECOND


@dataclass(frozen=True, slots=True)
class Dates(LocalCalendar):
    """Whole days: dates, ISO texts, or ISO ranges with both ends, as in ``"2026-12-24/2026-12-26"``."""

    dates: frozenset[date]
    tz: str | None = None

    def __init__(self, *dates: date | str, tz: str | tzinfo | None = None) -> None:
        name = None if tz is None else zone(zone_name(tz)).name
        object.__setattr__(self, "dates", frozenset(day for given in dates for day in _days(given)))
        object.__setattr__(self, "tz", name)

    def local_window(self, local: int) -> Window | None:
        return day_window(local) if local_date(local) in self.dates else None

    def to_data(self) -> dict[str, Any]:
        return {"kind": "dates", "dates": [day.isoformat() for day in sorted(self.dates)]} | tz_data(self.tz)

    def __repr__(self) -> str:
        return f"Dates({', '.join(repr(day.isoformat()) for day in sorted(self.dates))}{tz_repr(self.tz)})"


@dataclass(frozen=True, slots=True)
class WeeklyWindows(LocalCalendar):
    """Stretches of every week: ``"Sat,Sun"``, ``"Mon-Fri 09:00-17:00"``, ``"Fri 22:00-06:00"``."""

    windows: tuple[str, ...]
    tz: str | None = None
    _stretches: tuple[Window, ...] = field(init=False, repr=False, compare=False)
    """Seconds since Sunday's midnight."""

    def __init__(self, *windows: str, tz: str | tzinfo | None = None) -> None:
        name = None if tz is None else zone(zone_name(tz)).name
        stretches = (stretch for window in windows for stretch in _weekly(window))
        object.__setattr__(self, "windows", windows)
        object.__setattr__(self, "tz", name)
        object.__setattr__(self, "_stretches", _merged(stretches))

    def local_window(self, local: int) -> Window | None:
        in_week = (local - _SUNDAY_BEFORE_EPOCH) % _WEEK
        for start, end in self._stretches:
            if start <= in_week < end:
                return local - in_week + start, local - in_week + end
        return None

    def to_data(self) -> dict[str, Any]:
        return {"kind": "weekly", "windows": list(self.windows)} | tz_data(self.tz)

    def __repr__(self) -> str:
        return f"WeeklyWindows({', '.join(map(repr, self.windows))}{tz_repr(self.tz)})"


@dataclass(frozen=True, slots=True)
class Calendars(Calendar):
    """Covers what any of its calendars covers."""

    calendars: tuple[Calendar, ...]

    def __init__(self, *calendars: Calendar) -> None:
        object.__setattr__(self, "calendars", calendars)

    def window_us(self, moment_us: int, place: Zone) -> Window | None:
        for calendar in self.calendars:
            window = calendar.window_us(moment_us, place)
            if window is not None:
                return window
        return None

    def to_data(self) -> dict[str, Any]:
        return {"kind": "calendars", "calendars": [calendar.to_data() for calendar in self.calendars]}

    def __repr__(self) -> str:
        return f"Calendars({', '.join(map(repr, self.calendars))})"


def local_date(local: int) -> date:
    return date.fromordinal(local // _DAY + _EPOCH_ORDINAL)


def day_window(local: int) -> Window:
    start = local // _DAY * _DAY
    return start, start + _DAY


def tz_data(tz: str | None) -> dict[str, Any]:
    return {} if tz is None else {"tz": tz}


def tz_repr(tz: str | None) -> str:
    return "" if tz is None else f", tz={tz!r}"


def _days(given: date | str) -> list[date]:
    must_be((str, date), given, "a date", 'as in "2026-12-25", or date(2026, 12, 25)')
    if not isinstance(given, str):
        return [date(given.year, given.month, given.day)]
    first, _, last = given.partition("/")
    try:
        start, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError as error:
        raise _unreadable("date", given, "as in 2026-12-25, or 2026-12-24/2026-12-26 with both ends") from error
    if end < start:
        raise _unreadable("range of dates", given, f"it goes backwards; write {end}/{start}")
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def _weekly(text: str) -> list[Window]:
    must_be(str, text, "a weekly window", 'as in "Sat,Sun" or "Mon-Fri 09:00-17:00"')
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise _unreadable("weekly window", text, 'as in "Sat,Sun" or "Mon-Fri 09:00-17:00"')
    start, end = 0, _DAY
    if match.group(2):
        hours = [int(part) for part in match.groups()[1:]]
        start, end = hours[0] * 3600 + hours[1] * 60, hours[2] * 3600 + hours[3] * 60
        if max(start, end) > _DAY or max(hours[1], hours[3]) > 59 or start == end:
            raise _unreadable("weekly window", text, "from 00:00 to 24:00, as in 09:00-17:00")
    if end <= start:
        end += _DAY
    return [(day * _DAY + start, day * _DAY + end) for day in _weekdays(match.group(1), text)]


def _weekdays(days: str, text: str) -> list[int]:
    found: list[int] = []
    for item in days.upper().split(","):
        first, _, last = item.partition("-")
        try:
            start, end = DAY_WORDS[first], DAY_WORDS[last or first]
        except KeyError as error:
            raise _unreadable("weekly window", text, f"the days are {', '.join(DAY_WORDS)}") from error
        found += [day % 7 for day in range(start, (end if end >= start else end + 7) + 1)]
    return found


def _merged(stretches: Iterable[Window]) -> tuple[Window, ...]:
    """The stretches in order, cut at the end of the week, with those that touch joined."""
    cut: list[Window] = []
    for start, end in stretches:
        cut.append((start, min(end, _WEEK)))
        if end > _WEEK:
            cut.append((0, end - _WEEK))
    joined: list[Window] = []
    for start, end in sorted(cut):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _unreadable(what: str, text: str, hint: str) -> CronError:
    return CronError(f"the {what} {text!r} cannot be read", expression=text, span=(0, len(text)), hint=hint)
