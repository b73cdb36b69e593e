"""How old a row must be, as people and laws say it: in days, or in months and years of the calendar."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

from rota.errors import ConfigError

_PART = re.compile(r"(\d+)\s*(years?|y|months?|mo|weeks?|w|days?|d|hours?|h|minutes?|min|m|seconds?|s)")
_DAYS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "s": timedelta(seconds=1)}
_HINT = 'Write "90d", "24h", "18mo", "1y", or give a timedelta.'


@dataclass(frozen=True, slots=True)
class Age:
    """So many months of the calendar, and so long beside them."""

    months: int
    length: timedelta

    @classmethod
    def of(cls, given: Age | timedelta | str) -> Age:
        """Read ``"90d"``, ``"1y"``, ``"1y 6mo"``, ``"36h"`` or a ``timedelta``.

        Raises:
            ConfigError: it cannot be read, or is negative.
        """
        if isinstance(given, Age):
            return given
        if isinstance(given, timedelta):
            if given < timedelta(0):
                raise ConfigError(f"an age of {given} is negative", hint=_HINT)
            return cls(0, given)
        text = given.strip().lower() if isinstance(given, str) else ""
        parts = _PART.findall(text)
        if not parts or _PART.sub("", text).strip(" ,"):
            raise ConfigError(f"{given!r} is no age", hint=_HINT)
        months, length = 0, timedelta(0)
        for number, unit in parts:
            if unit.startswith("y"):
                months += 12 * int(number)
            elif unit.startswith("mo"):
                months += int(number)
            else:
                length += int(number) * (timedelta(minutes=1) if unit.startswith("m") else _DAYS[unit[0]])
        return cls(months, length)

    def before(self, moment: datetime) -> datetime:
        """The moment so long ago. A day that its month does not have is its last one: a year before 29 February is the
        28th."""
        month = moment.year * 12 + moment.month - 1 - self.months
        year, month = divmod(month, 12)
        day = min(moment.day, monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day) - self.length

    def is_shorter_than(self, other: Age, moment: datetime) -> bool:
        return self.before(moment) > other.before(moment)

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        parts = [f"{years}y" if years else "", f"{months}mo" if months else ""]
        seconds = int(self.length.total_seconds())
        for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
            count, seconds = divmod(seconds, size)
            parts.append(f"{count}{unit}" if count else "")
        return " ".join(filter(None, parts)) or "0s"
