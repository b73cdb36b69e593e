"""Moments and durations as a person at a terminal writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

import click

from rota.errors import ConfigError
from rota.model.duration import seconds, show_duration

_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_TIME = re.compile(r"\d\d:\d\d(:\d\d)?")


def moment(text: str) -> datetime:
    """The type of an option: ISO (local where it names no zone), ``now``, ``-2h``, ``tomorrow 07:00``, ``07:00``."""
    try:
        return read_moment(text, datetime.now().astimezone())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def coming_moment(text: str) -> datetime:
    """As ``moment``; a bare time that has passed today is tomorrow's."""
    found = moment(text)
    passed = _TIME.fullmatch(text.strip()) and found <= datetime.now(UTC)
    return moment(f"tomorrow {text.strip()}") if passed else found


def duration(text: str) -> float:
    """The type of an option: seconds, or ``90s``, ``15m``, ``1h30m``, ``7d``."""
    try:
        return seconds(text)
    except ConfigError as error:
        raise click.BadParameter(f"{error}. {error.hint}") from None


def read_moment(text: str, now: datetime, place: tzinfo | None = None) -> datetime:
    """An aware moment; what names no zone is a time in ``place``, ``None``: on this machine's clock.

    Raises:
        ValueError: with what may be written instead.
    """
    try:
        found = read_wall(text, now.astimezone(place))
        if found.tzinfo is not None:
            return found
        return found.replace(tzinfo=place) if place is not None else found.astimezone()
    except OverflowError:
        raise _unreadable(text) from None


def read_wall(text: str, now: datetime) -> datetime:
    """As it is written: what names no zone has none. ``today`` is the day of ``now``. Raises as ``read_moment``."""
    text = text.strip()
    try:
        return _read(text, now)
    except (ValueError, OverflowError, ConfigError):
        raise _unreadable(text) from None


def _unreadable(text: str) -> ValueError:
    return ValueError(f"{text!r} is not a moment; write 2026-11-22T10:00, now, -2h, +15m, 07:00 or tomorrow 07:00")


def show_moment(moment: datetime, *, utc: bool = False) -> str:
    """``2026-11-22 10:03:12 CET``: local, with the name of the zone."""
    return f"{moment.astimezone(UTC if utc else None):%Y-%m-%d %H:%M:%S %Z}"


def show_distance(moment: datetime, now: datetime) -> str:
    """``2m ago``, ``in 3h12m``, ``now`` inside half a second."""
    distance = (moment - now).total_seconds()
    if abs(distance) < 0.5:
        return "now"
    return f"in {show_duration(distance)}" if distance > 0 else f"{show_duration(-distance)} ago"


def _read(text: str, now: datetime) -> datetime:
    word, _, clock = text.lower().partition(" ")
    if word == "now" and not clock:
        return now
    if text[:1] in {"+", "-"}:
        shift = timedelta(seconds=seconds(text[1:]))
        return now + shift if text[0] == "+" else now - shift
    if word in _DAYS:
        day = now.date() + timedelta(days=_DAYS[word])
        return datetime.combine(day, time.fromisoformat(clock) if clock else time())
    if _TIME.fullmatch(text):
        return datetime.combine(now.date(), time.fromisoformat(text))
    return datetime.fromisoformat(text)
