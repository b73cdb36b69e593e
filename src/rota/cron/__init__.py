"""The calendar: when something is due. Pure arithmetic, alike on every node, with no clock or database."""

import sys
from types import ModuleType

from rota.cron.calendars import Calendar, Calendars, Dates, WeeklyWindows
from rota.cron.combined import AnyOf, Excluding
from rota.cron.data import calendar_from_data, trigger_from_data
from rota.cron.explanation import Explanation, explain
from rota.cron.expression import Cron
from rota.cron.holiday import Holidays
from rota.cron.interval import Every
from rota.cron.moments import At
from rota.cron.sentence import describe
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
    """``from rota import cron`` may find this package, if it was imported before: so it can be called itself."""

    __call__ = staticmethod(cron)


sys.modules[__name__].__class__ = _CallableModule
