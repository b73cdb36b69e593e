"""What in a valid expression is probably not meant, or at least worth knowing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Protocol

from rota.calendar.fields import DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, Field, values
from rota.calendar.pattern import DAY
from rota.calendar.syntax import Expression
from rota.calendar.text.words import clock, counted, joined
from rota.calendar.zones import Zone

_RARE = 7
"""Days in 28 years: one in four years, as 29 February."""
_RULES_REACH = 2_000_000_000
"""A change of the clock listed for later than 2033 comes from a rule in force and not from history."""


class Advised(Protocol):
    """A ``Cron``, as far as advice goes."""

    @property
    def expression(self) -> str: ...
    @property
    def parsed(self) -> Expression: ...
    @property
    def fixed(self) -> bool: ...
    @property
    def tz(self) -> str: ...
    @property
    def zone(self) -> Zone: ...
    @property
    def gap(self) -> str: ...
    @property
    def overlap(self) -> str: ...


def warnings(cron: Advised) -> tuple[str, ...]:
    """One line each, the likeliest slip first; the same for the same cron, whatever the date."""
    found = (*_star_before_fixed(cron), *_day_rule(cron), *_steps(cron), *_short_months(cron), *_rare(cron))
    return (*found, *_clock_change(cron), *_idle_policy(cron))


def _star_before_fixed(cron: Advised) -> Iterator[str]:
    """``* 2 * * *`` where ``0 2 * * *`` was meant."""
    second, minute, hour, *_ = cron.parsed.fields
    words = cron.expression.split()
    if minute == "*" and hour.isdigit():
        words[-5] = "0"
        yield f"fires in each minute of hour {hour}, 60 times; once would be {' '.join(words)}"
    elif second == "*" and minute.isdigit():
        words[0] = "0"
        yield f"fires in each second of minute {minute}, 60 times; once would be {' '.join(words)}"


def _day_rule(cron: Advised) -> Iterator[str]:
    *_, day, _, weekday = cron.parsed.fields
    if {day, weekday} & {"*", "?"}:
        return
    if cron.parsed.pattern.days.both:
        yield f"day of month {day} and day of week {weekday} are both set and one begins with *: a day must match both"
    else:
        yield f"day of month {day} and day of week {weekday} are both set: a day that matches either is enough"


def _steps(cron: Advised) -> Iterator[str]:
    for field, text in zip(FIELDS, cron.parsed.fields, strict=True):
        for item in text.split(","):
            if item.startswith("*/"):
                yield from _step(field, int(item[2:]))


def _step(field: Field, step: int) -> Iterator[str]:
    size = field.top - field.low + 1
    if step >= size:
        yield f"*/{step} is longer than the field: in the {field.name} it means {field.low} only"
    elif field is DAY_OF_MONTH and step > 1:
        last = field.low + (size - 1) // step * step
        yield f"*/{step} starts again with each month: day {last} may be followed by day 1"
    elif size % step:
        rest = size % step
        yield (
            f"*/{step} starts again with each {field.cycle}: the last pause is "
            f"{counted(rest, 'day' if field is DAY_OF_WEEK else field.name)}, not {step}"
        )


def _short_months(cron: Advised) -> Iterator[str]:
    rule, months = cron.parsed.pattern.days, values(cron.parsed.pattern.months)
    longest = {month: 30 if month in (4, 6, 9, 11) else 31 for month in months} | ({2: 28} if 2 in months else {})
    days = values(rule.days)
    if not days or rule.special_days or rule.weekdays != DAY_OF_WEEK.full:
        return
    skipped = [date(2001, month, 1).strftime("%b") for month, last in longest.items() if days[0] > last]
    if skipped:
        which = "no such day in most years" if len(skipped) == len(months) else f"no fire in {joined(skipped)}"
        yield f"day {days[0]} does not come in every month: {which}; L is the last day of any month"


def _rare(cron: Advised) -> Iterator[str]:
    days = round(cron.parsed.pattern.days_per_year() * 28)
    if days <= _RARE:
        yield f"rare: it comes on {counted(days, 'day')} in 28 years"


def _clock_change(cron: Advised) -> Iterator[str]:
    """A fixed time inside the hour that the zone skips in spring or repeats in autumn."""
    if not cron.fixed:
        return
    ends, offsets = cron.zone.table
    if len(ends) < 3 or ends[-2] < _RULES_REACH:
        return
    skipped = repeated = None
    for end, before, after in zip(ends[-3:-1], offsets[-3:-1], offsets[-2:], strict=True):
        start, length = (end + min(before, after)) % DAY, abs(after - before)
        time = _time_within(cron, start, length)
        if after > before:
            skipped = time
        else:
            repeated = time
    if skipped == repeated is not None:
        told = f"{clock(repeated)} is skipped once a year and comes twice once a year"
    else:
        told = joined(
            ([f"{clock(skipped)} is skipped once a year"] if skipped is not None else [])
            + ([f"{clock(repeated)} comes twice once a year"] if repeated is not None else [])
            or [""]
        )
    if told:
        yield f"{told}, when the clock of {cron.tz} changes: gap={cron.gap}, overlap={cron.overlap}"


def _time_within(cron: Advised, start: int, length: int) -> int | None:
    pattern = cron.parsed.pattern
    for hour in values(pattern.hours):
        for minute in values(pattern.minutes):
            time = hour * 3600 + minute * 60 + pattern.first_second
            if (time - start) % DAY < length:
                return time
    return None


def _idle_policy(cron: Advised) -> Iterator[str]:
    if not cron.fixed and (cron.gap, cron.overlap) != ("after_gap", "first"):
        yield "gap and overlap have no effect: with a * in second, minute or hour it follows the clock"
