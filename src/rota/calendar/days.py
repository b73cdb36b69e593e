"""Which days of a month an expression means: decided by the month's shape alone.

A month has one of 28 shapes, its length (28-31) and the weekday of its first day, so everything that ``L``,
``W``, ``#`` and the rule of the two day fields ask for is worked out once per shape and kept as a mask.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SUNDAY, SATURDAY = 0, 6
SHORTEST = 28
_EVERY_SEVENTH = sum(1 << day for day in range(0, 35, 7))
_LENGTHS_OF_MONTH = dict.fromkeys(range(1, 13), (31,)) | dict.fromkeys((4, 6, 9, 11), (30,)) | {2: (28, 29)}


@dataclass(frozen=True, slots=True)
class MonthDay:
    """``5W``, ``L``, ``L-3``, ``LW``, ``L-3W``: a day from either end, or the weekday nearest to it."""

    day: int
    """The day itself, or how many days before the last one."""
    from_end: bool = False
    nearest_weekday: bool = False

    def of(self, length: int, first: int) -> int:
        day = length - self.day if self.from_end else self.day
        if not 1 <= day <= length:
            return 0
        return 1 << (_nearest_weekday(day, length, first) if self.nearest_weekday else day)


@dataclass(frozen=True, slots=True)
class WeekdayOfMonth:
    """``FRI#2`` is the second Friday, ``FRIL`` the last one; a month without it is skipped."""

    weekday: int
    nth: int | Literal["last"]

    def of(self, length: int, first: int) -> int:
        days = _days_on(self.weekday, length, first)
        if self.nth == "last":
            return 1 << (days.bit_length() - 1)
        return days & (0b1111111 << (7 * self.nth - 6))


@dataclass(frozen=True, slots=True)
class DayRule:
    """Both day fields of one expression."""

    days: int
    special_days: tuple[MonthDay, ...]
    weekdays: int
    special_weekdays: tuple[WeekdayOfMonth, ...]
    both: bool
    """Debian's rule: when one of the two fields begins with ``*`` a day must match both, else either."""
    _shapes: list[int | None] = field(default_factory=lambda: [None] * 28, repr=False, compare=False)

    def of(self, length: int, first: int) -> int:
        """The mask of days, bit 1 for the first, of a month of this length that begins on this weekday."""
        index = (length - SHORTEST) * 7 + first
        mask = self._shapes[index]
        if mask is None:
            mask = self._shapes[index] = self._work_out(length, first)
        return mask

    def _work_out(self, length: int, first: int) -> int:
        by_day = self.days & _all_days(length)
        for special in self.special_days:
            by_day |= special.of(length, first)
        by_weekday = 0
        for weekday in range(7):
            if self.weekdays >> weekday & 1:
                by_weekday |= _days_on(weekday, length, first)
        for special_weekday in self.special_weekdays:
            by_weekday |= special_weekday.of(length, first)
        return by_day & by_weekday if self.both else by_day | by_weekday

    def can_match(self, months: int) -> bool:
        """Whether any day of any of these months is ever meant; every shape does come up within 400 years."""
        return any(
            self.of(length, first)
            for month, lengths in _LENGTHS_OF_MONTH.items()
            if months >> month & 1
            for length in lengths
            for first in range(7)
        )


def _all_days(length: int) -> int:
    return (1 << (length + 1)) - 2


def _days_on(weekday: int, length: int, first: int) -> int:
    return _EVERY_SEVENTH << (1 + (weekday - first) % 7) & _all_days(length)


def _nearest_weekday(day: int, length: int, first: int) -> int:
    """Monday to Friday nearest to a day without leaving the month."""
    weekday = (first + day - 1) % 7
    if weekday == SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == SUNDAY:
        return day + 1 if day < length else day - 2
    return day
