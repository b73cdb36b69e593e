"""A trigger as one English sentence, with the rule of the two day fields in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rota.calendar.calendars import Calendar, Calendars, Dates, WeeklyWindows
from rota.calendar.days import DayRule, MonthDay, WeekdayOfMonth
from rota.calendar.expression import Cron
from rota.calendar.fields import DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, SECOND, values
from rota.calendar.holiday import Holidays
from rota.calendar.interval import Every
from rota.calendar.moments import At
from rota.calendar.pattern import Pattern
from rota.calendar.text.words import MONTHS, ORDINALS, WEEKDAYS, clock, joined, length, listed, runs, step_of
from rota.calendar.trigger import AnyOf, Excluding, Trigger
from rota.clock import EPOCH

_FEW = 6
"""So many times of day are told one by one."""
_ODD_OR_EVEN = {tuple(range(1, 32, 2)): "odd days", tuple(range(2, 31, 2)): "even days"}


def describe(trigger: Trigger) -> str:
    """One sentence, as ``At 02:30 on day 13 of the month or on any Friday, Europe/Paris time.``"""
    text = _phrase(trigger)
    return f"{text[0].upper()}{text[1:]}."


def _phrase(trigger: Trigger) -> str:
    match trigger:
        case Cron():
            return f"{_expression(trigger.parsed.pattern)}, {_zone(trigger.tz)}"
        case Every():
            return f"every {length(trigger.interval, 4)}, counted from {_moment(trigger.anchor)}"
        case At():
            once = "once" if len(trigger.moments) == 1 else "once each"
            return f"{once}, at {joined([_moment(moment) for moment in trigger.moments])}"
        case AnyOf():
            return "; or ".join(_phrase(each) for each in trigger.triggers)
        case Excluding():
            return f"{_phrase(trigger.trigger)}, except {_calendar(trigger.calendar)}"
        case _:
            return repr(trigger)


def _expression(pattern: Pattern) -> str:
    time = _time(values(pattern.seconds), values(pattern.minutes), values(pattern.hours))
    day, month = _days(pattern.days), _months(values(pattern.months))
    every_day = "every day " if not day and time.startswith("at ") and _one_by_one(pattern) else ""
    return " ".join(part for part in (f"{every_day}{time}", day, month) if part)


def _one_by_one(pattern: Pattern) -> bool:
    return pattern.hours.bit_count() * pattern.minutes.bit_count() * pattern.seconds.bit_count() <= _FEW


def _time(seconds: list[int], minutes: list[int], hours: list[int]) -> str:
    if len(seconds) * len(minutes) * len(hours) <= _FEW:
        times = [hour * 3600 + minute * 60 + second for hour in hours for minute in minutes for second in seconds]
        return f"at {joined([clock(time) for time in times])}"
    if seconds == [0]:
        return _minutes(minutes, hours)
    if len(seconds) == SECOND.top + 1:
        return f"every second{_of_minutes(minutes, hours)}"
    step = _round_step(seconds, SECOND.top + 1)
    if step:
        return f"every {step} seconds{_of_minutes(minutes, hours)}"
    return f"at {_named('second', seconds)}{_of_minutes(minutes, hours) or ' of every minute'}"


def _of_minutes(minutes: list[int], hours: list[int]) -> str:
    if len(minutes) == MINUTE.top + 1:
        return "" if len(hours) == HOUR.top + 1 else f" of {_hours(hours)}"
    step = _round_step(minutes, MINUTE.top + 1)
    nth = {2: "2nd", 3: "3rd"}.get(step or 0, f"{step}th")
    told = f"every {nth} minute" if step else _named("minute", minutes)
    return f" of {told} of {_hours(hours)}"


def _minutes(minutes: list[int], hours: list[int]) -> str:
    all_hours = len(hours) == HOUR.top + 1
    if len(minutes) == MINUTE.top + 1:
        return "every minute" if all_hours else f"every minute {_within(hours, minutes[-1])}"
    step = _round_step(minutes, MINUTE.top + 1)
    if step:
        return f"every {step} minutes" if all_hours else f"every {step} minutes {_within(hours, minutes[-1])}"
    if len(minutes) == 1:
        return _hourly(minutes[0], hours)
    return f"at {_named('minute', minutes)} of {_hours(hours)}"


def _hourly(minute: int, hours: list[int]) -> str:
    if len(hours) == HOUR.top + 1:
        return "every hour" if minute == 0 else f"every hour at minute {minute}"
    step = step_of(hours)
    if step is None:
        return f"at minute {minute} of {_hours(hours)}"
    each = "every hour" if step == 1 else f"every {step} hours"
    return f"{each} from {clock(hours[0] * 3600 + minute * 60)} to {clock(hours[-1] * 3600 + minute * 60)}"


def _hours(hours: list[int]) -> str:
    if len(hours) == HOUR.top + 1:
        return "every hour"
    return _named("hour", hours)


def _within(hours: list[int], last_minute: int) -> str:
    """``from 09:00 to 17:50`` where the hours follow each other."""
    if len(runs(hours)) > 1:
        return f"of {_hours(hours)}"
    return f"from {clock(hours[0] * 3600)} to {clock(hours[-1] * 3600 + last_minute * 60)}"


def _named(noun: str, numbers: list[int]) -> str:
    return f"{noun if len(numbers) == 1 else f'{noun}s'} {listed(numbers)}"


def _round_step(numbers: list[int], size: int) -> int | None:
    """The step of numbers that go evenly round the field, over its end as well."""
    step = step_of(numbers)
    return step if step not in (None, 1) and numbers[0] == 0 and size % step == 0 == numbers[-1] + step - size else None


def _days(rule: DayRule) -> str:
    days, weekdays = _in_month(rule), _in_week(rule)
    if days and weekdays:
        return f"on {days} {_that_are(rule, weekdays)}" if rule.both else f"on {days} or on {_any(weekdays)}"
    if not rule.both:
        return ""  # one of the two means every day, and either is enough
    if rule.special_weekdays or not weekdays:
        return f"on {days or weekdays}" if days or weekdays else ""
    return f"from {weekdays}" if len(runs(_from_monday(rule))) == 1 < rule.weekdays.bit_count() else f"on {weekdays}"


def _that_are(rule: DayRule, weekdays: str) -> str:
    """``that are Mondays or Fridays``."""
    if rule.special_weekdays:
        return f"that are also {weekdays}"
    return f"that are {joined([f'{WEEKDAYS[day % 7]}s' for day in _from_monday(rule)], 'or')}"


def _in_month(rule: DayRule) -> str:
    """The days of the month, or nothing when all are meant."""
    if rule.days == DAY_OF_MONTH.full:
        return ""
    days = values(rule.days)
    parts = [_ODD_OR_EVEN.get(tuple(days)) or f"{_named('day', days)} of the month"] if days else []
    return joined(parts + [month_day_words(special) for special in rule.special_days], "or")


def month_day_words(special: MonthDay) -> str:
    if not special.from_end:
        return f"the weekday nearest to day {special.day} of the month"
    if special.nearest_weekday:
        return f"the last weekday {_before_end(special.day)}of the month"
    if special.day == 0:
        return "the last day of the month"
    return f"day {special.day} before the last of the month"


def _before_end(day: int) -> str:
    return f"nearest to day {day} before the last " if day else ""


def _in_week(rule: DayRule) -> str:
    if rule.weekdays == DAY_OF_WEEK.full:
        return ""
    days = _from_monday(rule)
    parts = [listed(days, [*WEEKDAYS, WEEKDAYS[0]])] if days else []
    return joined(parts + [weekday_words(special) for special in rule.special_weekdays], "or")


def _from_monday(rule: DayRule) -> list[int]:
    """The plain weekdays, told from Monday to Sunday, which is 7."""
    return sorted(day or 7 for day in values(rule.weekdays))


def weekday_words(special: WeekdayOfMonth) -> str:
    which = "last" if special.nth == "last" else ORDINALS[special.nth - 1]
    return f"the {which} {WEEKDAYS[special.weekday]} of the month"


def _any(weekdays: str) -> str:
    return weekdays if weekdays.startswith("the ") else f"any {weekdays.replace(' and ', ' or ')}"


def _months(months: list[int]) -> str:
    if len(months) == MONTH.top:
        return ""
    words = listed(months, ["", *MONTHS])
    return f"from {words}" if len(runs(months)) == 1 < len(months) else f"in {words}"


def _calendar(calendar: Calendar) -> str:
    match calendar:
        case Dates():
            return f"on {_dates([day.isoformat() for day in sorted(calendar.dates)])}"
        case WeeklyWindows():
            return f"on {joined(calendar.windows)}"
        case Holidays():
            part = f"-{calendar.subdivision}" if calendar.subdivision else ""
            return f"on public holidays of {calendar.country}{part}"
        case Calendars():
            return joined([_calendar(each) for each in calendar.calendars])
        case _:
            return repr(calendar)


def _dates(dates: Sequence[str]) -> str:
    return joined(dates) if len(dates) <= _FEW else f"{len(dates)} dates from {dates[0]} to {dates[-1]}"


def _zone(tz: str) -> str:
    return "UTC" if tz == "UTC" else f"{tz} time"


def _moment(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return "1970" if utc == EPOCH else f"{utc:%Y-%m-%d %H:%M} UTC"
