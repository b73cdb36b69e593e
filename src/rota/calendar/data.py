"""Triggers from the plain data that ``to_data`` gives: the form in which they are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from rota.calendar.calendars import Calendar, Calendars, Dates, WeeklyWindows
from rota.calendar.expression import Cron
from rota.calendar.holiday import Holidays
from rota.calendar.interval import Every
from rota.calendar.moments import At
from rota.calendar.trigger import AnyOf, Excluding, Trigger
from rota.errors import CronError

Data = Mapping[str, Any]


def trigger_from_data(data: Data) -> Trigger:
    """The trigger that ``to_data`` described; equal data gives one shared object. Raises ``CronError``."""
    try:
        return _flat(frozenset(data.items()))
    except TypeError:  # a list or a mapping within has no hash
        return _nested(json.dumps(data, sort_keys=True, separators=(",", ":")))


@lru_cache(maxsize=16_384)
def _flat(items: frozenset[tuple[str, Any]]) -> Trigger:
    return _trigger(dict(items))


@lru_cache(maxsize=16_384)
def _nested(text: str) -> Trigger:
    return _trigger(json.loads(text))


def calendar_from_data(data: Data) -> Calendar:
    """The calendar that ``to_data`` described. Raises ``CronError``."""
    calendar: Calendar = _made(_CALENDARS, "calendar", data)
    return calendar


def _trigger(data: Data) -> Trigger:
    trigger: Trigger = _made(_TRIGGERS, "trigger", data)
    return trigger


def _made(makers: Mapping[str, Callable[..., Any]], what: str, data: Data) -> Any:
    rest = dict(data)
    kind = rest.pop("kind", None)
    maker = makers.get(str(kind))
    if maker is None:
        raise CronError(f"no {what} is of the kind {kind!r}", hint=f"the kinds are {', '.join(makers)}")
    try:
        return maker(**rest)
    except TypeError as error:
        raise CronError(f"the data of a {what} of kind {kind} does not fit: {error}") from error


def _every(interval: str, anchor: str | None = None, tz: str = "UTC") -> Every:
    return Every(interval, datetime.fromisoformat(anchor) if anchor else None, tz)


def _at(moments: list[str], tz: str = "UTC") -> At:
    return At([datetime.fromisoformat(moment) for moment in moments], tz)


_TRIGGERS: dict[str, Callable[..., Trigger]] = {
    "cron": Cron,
    "every": _every,
    "at": _at,
    "any_of": lambda triggers: AnyOf(*(_trigger(each) for each in triggers)),
    "excluding": lambda trigger, calendar: Excluding(_trigger(trigger), calendar_from_data(calendar)),
}
_CALENDARS: dict[str, Callable[..., Calendar]] = {
    "dates": lambda dates, tz=None: Dates(*dates, tz=tz),
    "weekly": lambda windows, tz=None: WeeklyWindows(*windows, tz=tz),
    "holidays": Holidays,
    "calendars": lambda calendars: Calendars(*(calendar_from_data(each) for each in calendars)),
}
