"""The wall-clock times an expression means, before any zone: integer arithmetic on local seconds since 1970.

Every field is an integer with a bit per value. The next bit at or above k is the lowest one of ``mask >> k``,
which ``x & -x`` isolates; the last one at or below k is the highest one of the mask cut off above k.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from rota.calendar.days import DayRule
from rota.calendar.fields import DAY_OF_MONTH, DAY_OF_WEEK, MONTH

DAY = 86_400
HOUR = 3_600
MINUTE = 60
NEVER = 1 << 62
"""Later than any moment; its negative is earlier than any."""
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FIRST_DAY = date.min.toordinal() - _EPOCH_ORDINAL
_LAST_DAY = date.max.toordinal() - _EPOCH_ORDINAL
_THURSDAY = 4
"""1970-01-01, day 0, was one; Sunday is 0."""
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Masks of the values that match; ``first_at`` and ``last_at`` find the nearest matching second."""

    seconds: int
    minutes: int
    hours: int
    months: int
    days: DayRule
    every_day: bool = field(init=False)
    first_time: int = field(init=False)
    """The first matching second of a day."""
    last_time: int = field(init=False)
    first_second: int = field(init=False)
    """The first matching second of a minute."""

    def __post_init__(self) -> None:
        every_day = self.months == MONTH.full and _means_all(self.days)
        object.__setattr__(self, "every_day", every_day)
        first = _lowest(self.hours) * HOUR + _lowest(self.minutes) * MINUTE + _lowest(self.seconds)
        last = _highest(self.hours) * HOUR + _highest(self.minutes) * MINUTE + _highest(self.seconds)
        object.__setattr__(self, "first_time", first)
        object.__setattr__(self, "last_time", last)
        object.__setattr__(self, "first_second", _lowest(self.seconds))

    def can_match(self) -> bool:
        return self.every_day or self.days.can_match(self.months)

    @property
    def times_per_day(self) -> int:
        return self.seconds.bit_count() * self.minutes.bit_count() * self.hours.bit_count()

    def days_per_year(self) -> float:
        """On average over the 28 years 2001-2028, after which dates fall on the same weekdays again."""
        months = [(year, month) for year in range(2001, 2029) for month in range(1, 13)]
        firsts = (date(year, month, 1).toordinal() - _EPOCH_ORDINAL for year, month in months)
        masks = (self._mask(year, month, first) for (year, month), first in zip(months, firsts, strict=True))
        return sum(mask.bit_count() for mask in masks) / 28

    def first_at(self, local: int) -> int:
        """The first matching local second at or after this one; ``NEVER`` after the year 9999."""
        day = local // DAY
        time = local - day * DAY
        over = time > self.last_time
        wanted = day + over
        matching = wanted if self.every_day else self._day_from(wanted)
        if over or matching > day:
            return matching * DAY + self.first_time if matching <= _LAST_DAY else NEVER
        hour = time // HOUR
        if self.hours >> hour & 1:
            rest = time - hour * HOUR
            minute = rest // MINUTE
            if self.minutes >> minute & 1:
                later = self.seconds >> rest - minute * MINUTE
                if later:
                    return local + (later & -later).bit_length() - 1
            later = self.minutes >> minute + 1
            if later:
                return local - rest + (minute + (later & -later).bit_length()) * MINUTE + self.first_second
        later = self.hours >> hour + 1
        return local - time + (hour + (later & -later).bit_length()) * HOUR + self.first_time % HOUR

    def last_at(self, local: int) -> int:
        """The last matching local second at or before this one; ``-NEVER`` before the year 1."""
        day = local // DAY
        time = local - day * DAY
        early = time < self.first_time
        wanted = day - early
        matching = wanted if self.every_day else self._day_until(wanted)
        if early or matching < day:
            return matching * DAY + self.last_time if matching >= _FIRST_DAY else -NEVER
        hour = time // HOUR
        if self.hours >> hour & 1:
            rest = time - hour * HOUR
            minute = rest // MINUTE
            if self.minutes >> minute & 1:
                earlier = _up_to(self.seconds, rest - minute * MINUTE)
                if earlier:
                    return local - rest + minute * MINUTE + _highest(earlier)
            earlier = _up_to(self.minutes, minute - 1)
            if earlier:
                return local - rest + _highest(earlier) * MINUTE + self.last_time % MINUTE
        earlier = _up_to(self.hours, hour - 1)
        return local - time + _highest(earlier) * HOUR + self.last_time % HOUR

    def _day_from(self, day: int) -> int:
        """The first matching day at or after this one, both counted from 1970-01-01."""
        if day > _LAST_DAY:
            return NEVER
        day = max(day, _FIRST_DAY)
        start = date.fromordinal(day + _EPOCH_ORDINAL)
        year, month = start.year, start.month
        first = day - start.day + 1
        later = self._mask(year, month, first) >> start.day << start.day
        while not later:
            year, month = self._month_after(year, month)
            if year > date.max.year:
                return NEVER
            first = date(year, month, 1).toordinal() - _EPOCH_ORDINAL
            later = self._mask(year, month, first)
        return first + _lowest(later) - 1

    def _day_until(self, day: int) -> int:
        """The last matching day at or before this one."""
        if day < _FIRST_DAY:
            return -NEVER
        day = min(day, _LAST_DAY)
        start = date.fromordinal(day + _EPOCH_ORDINAL)
        year, month = start.year, start.month
        first = day - start.day + 1
        earlier = _up_to(self._mask(year, month, first), start.day)
        while not earlier:
            year, month = self._month_before(year, month)
            if year < date.min.year:
                return -NEVER
            first = date(year, month, 1).toordinal() - _EPOCH_ORDINAL
            earlier = self._mask(year, month, first)
        return first + _highest(earlier) - 1

    def _mask(self, year: int, month: int, first: int) -> int:
        """The days meant in a month that begins with the day ``first``."""
        if not self.months >> month & 1:
            return 0
        return self.days.of(_length(year, month), (first + _THURSDAY) % 7)

    def _month_after(self, year: int, month: int) -> tuple[int, int]:
        later = self.months >> month + 1
        if later:
            return year, month + (later & -later).bit_length()
        return year + 1, _lowest(self.months)

    def _month_before(self, year: int, month: int) -> tuple[int, int]:
        earlier = _up_to(self.months, month - 1)
        if earlier:
            return year, _highest(earlier)
        return year - 1, _highest(self.months)


def _means_all(rule: DayRule) -> bool:
    all_days = rule.days == DAY_OF_MONTH.full
    all_weekdays = rule.weekdays == DAY_OF_WEEK.full
    return (all_days and all_weekdays) if rule.both else (all_days or all_weekdays)


def _length(year: int, month: int) -> int:
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _LENGTHS[month]


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _highest(mask: int) -> int:
    return mask.bit_length() - 1


def _up_to(mask: int, bit: int) -> int:
    return mask & ((1 << (bit + 1)) - 1)
