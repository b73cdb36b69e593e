"""The calendar: when something is due. Pure arithmetic, alike on every node, with no clock or database."""

from rota.cron.calendars import Calendar, Calendars, Dates, WeeklyWindows
from rota.cron.combined import AnyOf, Excluding
from rota.cron.data import calendar_from_data, trigger_from_data
from rota.cron.expression import Cron
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
    "Holidays",
    "Trigger",
    "WeeklyWindows",
    "any_of",
    "at",
    "calendar_from_data",
    "cron",
    "every",
    "trigger_from_data",
    "tzdata_version",
]
