"""The rule at the end of a zone file, which says how its clock goes on for ever: a POSIX ``TZ`` text.

``CET-1CEST,M3.5.0,M10.5.0/3`` reads: CET is an hour east of UTC (POSIX counts westwards), CEST one more,
from the last (5) Sunday (0) of March (3) at 02:00 to the last Sunday of October at 03:00. See RFC 9636, 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY, _HOUR = 86_400, 3_600
_NAME = r"(?:[A-Za-z]{3,}|<[^>]+>)"
_TIME = r"[+-]?\d{1,3}(?::\d\d(?::\d\d)?)?"
_DATE = rf"(M\d{{1,2}}\.\d\.\d|J\d{{1,3}}|\d{{1,3}})(?:/({_TIME}))?"
_FOOTER = re.compile(rf"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,{_DATE},{_DATE})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Change:
    """A moment of every year, on the wall clock in force before it."""

    date: str
    seconds: int

    def in_year(self, year: int) -> int:
        """Local seconds since 1970."""
        return self._day(year) * _DAY + self.seconds

    def _day(self, year: int) -> int:
        if self.date[0] == "M":
            month, week, weekday = (int(part) for part in self.date[1:].split("."))
            return _nth_weekday(year, month, week, weekday)
        new_year = date(year, 1, 1).toordinal() - _EPOCH_ORDINAL
        if self.date[0] != "J":
            return new_year + int(self.date)
        number = int(self.date[1:])  # 1-365; 29 February is never counted
        leap = date(year, 3, 1).toordinal() - date(year, 1, 1).toordinal() == 60
        return new_year + number - 1 + (leap and number >= 60)


@dataclass(frozen=True, slots=True)
class Footer:
    """Offsets are seconds east of UTC; ``to_summer`` is ``None`` where the clock never changes."""

    standard: int
    summer: int
    to_summer: Change | None = None
    to_standard: Change | None = None

    def changes(self, year: int) -> Iterator[tuple[int, int]]:
        """The changes of a year in order: (UTC second, offset from then on)."""
        if self.to_summer is None or self.to_standard is None:
            return
        yield from sorted(
            [
                (self.to_summer.in_year(year) - self.standard, self.summer),
                (self.to_standard.in_year(year) - self.summer, self.standard),
            ]
        )


def read_footer(text: str) -> Footer:
    """Read a ``TZ`` text; ``ValueError`` when it is none."""
    match = _FOOTER.fullmatch(text)
    if match is None:
        raise ValueError(f"not a TZ rule: {text!r}")
    offset, summer_offset, start, start_time, end, end_time = match.groups()
    standard = -_seconds(offset)
    if start is None:
        return Footer(standard, standard)
    summer = -_seconds(summer_offset) if summer_offset else standard + _HOUR
    return Footer(standard, summer, _change(start, start_time), _change(end, end_time))


def _change(day: str, time: str | None) -> Change:
    return Change(day, _seconds(time) if time else 2 * _HOUR)


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, seconds = ([int(part) for part in text.lstrip("+-").split(":")] + [0, 0])[:3]
    return sign * (hours * _HOUR + minutes * 60 + seconds)


def _nth_weekday(year: int, month: int, week: int, weekday: int) -> int:
    """The day of the nth weekday (0 is Sunday) of a month, counted from 1970; week 5 means the last one."""
    first = date(year, month, 1)
    day = 1 + (weekday - first.isoweekday()) % 7 + 7 * (week - 1)
    following = date(year + month // 12, month % 12 + 1, 1) if (year, month) < (9999, 12) else date.max
    if day > (following - first).days:
        day -= 7
    return first.toordinal() - _EPOCH_ORDINAL + day - 1
