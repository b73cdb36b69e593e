"""The six fields of an expression: their names, bounds and words."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """One field of an expression.

    ``high`` is the last number that may be written, ``top`` the last one that ``*`` means; ``cycle`` is what ends when
    the field begins again.
    """

    name: str
    cycle: str
    low: int
    high: int
    top: int
    words: dict[str, int]

    @property
    def allowed(self) -> str:
        """The range in words, as in ``0-59`` or ``1-12 or JAN-DEC``."""
        numbers = f"{self.low}-{self.high}"
        if not self.words:
            return numbers
        first, *_, last = self.words
        return f"{numbers} or {first}-{last}"

    @property
    def full(self) -> int:
        """The mask with every value of the field set."""
        return (1 << (self.top + 1)) - (1 << self.low)


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTH_WORDS = {word: number for number, word in enumerate(_MONTHS, start=1)}
DAY_WORDS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}

SECOND = Field("second", "minute", 0, 59, 59, {})
MINUTE = Field("minute", "hour", 0, 59, 59, {})
HOUR = Field("hour", "day", 0, 23, 23, {})
DAY_OF_MONTH = Field("day of month", "month", 1, 31, 31, {})
MONTH = Field("month", "year", 1, 12, 12, MONTH_WORDS)
DAY_OF_WEEK = Field("day of week", "week", 0, 7, 6, DAY_WORDS)

FIELDS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


def values(mask: int) -> list[int]:
    """The numbers of the bits that are set, ascending."""
    found = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return found
