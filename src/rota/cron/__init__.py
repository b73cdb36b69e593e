"""The calendar: when something is due. Pure arithmetic, alike on every node, with no clock or database."""

import sys
from types import ModuleType

from rota.cron.calendars import Calendar, Calendars, Dates, WeeklyWindows
from rota.cron.combined import AnyOf, Excluding
from rota.cron.data import calendar_from_data, trigger_from_data
from rota.cron.expression import Cron, Gap, Overlap
from rota.cron.holiday import Holidays
from rota.cron.interval import Every
from rota.cron.moments import At
from rota.cron.shorthand import any_of, at, cron, every
from rota.cron.trigger import Trigger
from rota.cron.zones import tzdata_version

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


class _CallableModule(ModuleType):
    """``from rota import cron`` finds this package, whatever was imported before: so it can be called itself."""

    def __call__(self, expression: str, *, tz: str = "UTC", gap: Gap = "after_gap", overlap: Overlap = "first") -> Cron:
        return cron(expression, tz=tz, gap=gap, overlap=overlap)


sys.modules[__name__].__class__ = _CallableModule
