"""What a program gives to say when, looked at before it is read."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

from rota.errors import CronError, UnknownZoneError
from rota.shown import shown

_HINT = 'use a name like Europe/Paris, or ZoneInfo("Europe/Paris")'


def must_be(kind: Any, value: object, what: str, hint: str) -> None:
    """Raises ``CronError`` for a value that is not of a type, or of one of several."""
    if not isinstance(value, kind):
        raise CronError(f"{what} cannot be of type {type(value).__name__}", hint=hint)


def zone_name(tz: str | tzinfo) -> str:
    """The name of a zone that is given by it, or as a ``ZoneInfo``; raises ``UnknownZoneError`` for one without."""
    if isinstance(tz, str):
        return tz
    if tz is UTC:
        return "UTC"
    name = getattr(tz, "key", None) or getattr(tz, "zone", None)
    if not isinstance(name, str):
        raise UnknownZoneError(f"{shown(tz)} names no time zone", hint=_HINT)
    return name
