"""Numbers, days and lengths of time as English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

MONTHS = [date(2001, month, 1).strftime("%B") for month in range(1, 13)]
WEEKDAYS = [date(2001, 7, day).strftime("%A") for day in range(1, 8)]
"""Sunday first."""
ORDINALS = ("first", "second", "third", "fourth", "fifth")
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def joined(parts: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *head, tail = parts
    return f"{', '.join(head)} {last} {tail}" if head else tail


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as stretches without holes: (first, last)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def step_of(numbers: Sequence[int]) -> int | None:
    """The even distance between three or more numbers."""
    distances = {later - earlier for earlier, later in pairwise(numbers)}
    return distances.pop() if len(numbers) > 2 and len(distances) == 1 else None


def listed(numbers: Sequence[int], names: Sequence[str] = ()) -> str:
    """``1, 3 and 5 to 7``; long even rows as ``1, 3, 5 … 31``."""
    step = step_of(numbers)
    if step not in (None, 1) and len(numbers) > 5:
        return f"{', '.join(map(str, numbers[:3]))} … {numbers[-1]}"
    parts: list[str] = []
    for first, last in runs(numbers):
        words = [names[number] if names else str(number) for number in (first, last)]
        parts += words[: 1 + (last > first)] if last - first < 2 else [f"{words[0]} to {words[1]}"]
    return joined(parts)


def clock(second_of_day: int) -> str:
    """``02:30``, or ``02:30:15`` where the seconds are not zero."""
    hour, rest = divmod(second_of_day, 3600)
    minute, second = divmod(rest, 60)
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def length(duration: timedelta, parts: int = 2) -> str:
    """``1 hour 30 minutes``: the largest units, as many as ``parts`` of them."""
    rest, found = duration // timedelta(seconds=1), []
    for unit, seconds in _UNITS:
        number, rest = divmod(rest, seconds)
        if number:
            found.append(counted(number, unit))
    return " ".join(found[:parts]) or "0 seconds"
