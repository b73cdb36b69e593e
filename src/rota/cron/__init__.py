"""The calendar: when something is due. Pure arithmetic, alike on every node, with no clock or database."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota.cron.calendars import Calendar, Calendars, Dates, WeeklyWindows
    from rota.cron.data import calendar_from_data, trigger_from_data
    from rota.cron.explanation import Explanation, explain
    from rota.cron.expression import Cron, Gap, Overlap
    from rota.cron.holiday import Holidays
    from rota.cron.interval import Every
    from rota.cron.moments import At
    from rota.cron.sentence import describe
    from rota.cron.shorthand import any_of, at, cron, every
    from rota.cron.trigger import AnyOf, Excluding, Trigger
    from rota.cron.zones import tzdata_version

_HOMES = {
    "AnyOf": "trigger",
    "At": "moments",
    "Calendar": "calendars",
    "Calendars": "calendars",
    "Cron": "expression",
    "Dates": "calendars",
    "Every": "interval",
    "Excluding": "trigger",
    "Explanation": "explanation",
    "Holidays": "holiday",
    "Trigger": "trigger",
    "WeeklyWindows": "calendars",
    "any_of": "shorthand",
    "at": "shorthand",
    "calendar_from_data": "data",
    "cron": "shorthand",
    "describe": "sentence",
    "every": "shorthand",
    "explain": "explanation",
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
        raise AttributeError(f"module 'rota.cron' has no attribute {name!r}")
    value = getattr(import_module(f"rota.cron.{home}"), name)
    globals()[name] = value
    return value


class _CallableModule(ModuleType):
    """``from rota import cron`` may find this package, if it was imported before: so it can be called itself."""

    def __call__(self, expression: str, *, tz: str = "UTC", gap: Gap = "after_gap", overlap: Overlap = "first") -> Cron:
        from rota.cron.shorthand import cron

        return cron(expression, tz=tz, gap=gap, overlap=overlap)


sys.modules[__name__].__class__ = _CallableModule
