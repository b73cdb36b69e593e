"""The calendar: when something is due. Pure arithmetic, alike on every node, with no clock or database."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota.calendar.calendars import Calendar, Calendars, Dates, WeeklyWindows
    from rota.calendar.data import calendar_from_data, trigger_from_data
    from rota.calendar.expression import Cron
    from rota.calendar.holiday import Holidays
    from rota.calendar.interval import Every
    from rota.calendar.moments import At
    from rota.calendar.shorthand import any_of, at, cron, every
    from rota.calendar.text.explanation import Explanation, explain
    from rota.calendar.text.sentence import describe
    from rota.calendar.trigger import AnyOf, Excluding, Trigger
    from rota.calendar.zones import tzdata_version

_HOMES = {
    "AnyOf": "trigger",
    "At": "moments",
    "Calendar": "calendars",
    "Calendars": "calendars",
    "Cron": "expression",
    "Dates": "calendars",
    "Every": "interval",
    "Excluding": "trigger",
    "Explanation": "text.explanation",
    "Holidays": "holiday",
    "Trigger": "trigger",
    "WeeklyWindows": "calendars",
    "any_of": "shorthand",
    "at": "shorthand",
    "calendar_from_data": "data",
    "cron": "shorthand",
    "describe": "text.sentence",
    "every": "shorthand",
    "explain": "text.explanation",
    "trigger_from_data": "data",
    "tzdata_version": "zones",
}

__all__ = [
    "AnyOf",
    "At",
    "Calendar",
    "Calendars",
    "Cron",
    "Dates",
    "Every",
    "Excluding",
    "Explanation",
    "Holidays",
    "Trigger",
    "WeeklyWindows",
    "any_of",
    "at",
    "calendar_from_data",
    "cron",
    "describe",
    "every",
    "explain",
    "trigger_from_data",
    "tzdata_version",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rota.calendar' has no attribute {name!r}")
    value = getattr(import_module(f"rota.calendar.{home}"), name)
    globals()[name] = value
    return value
