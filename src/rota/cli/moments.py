"""Moments and durations as a person at a terminal writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import click

from rota.errors import ConfigError
from rota.model.duration import seconds, show_duration

_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}


def moment(text: str) -> datetime:
    """The type of an option: ISO (local where it names no zone), ``now``, ``-2h``, ``tomorrow 07:00``."""
    try:
        return read_moment(text, datetime.now().astimezone())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def duration(text: str) -> float:
    """The type of an option: seconds, or ``90s``, ``15m``, ``1h30m``, ``7d``."""
    try:
        return seconds(text)
    except ConfigError as error:
        raise click.BadParameter(f"{error}. {error.hint}") from None


def read_moment(text: str, now: datetime) -> datetime:
    """An aware moment in the zone of ``now``; raises ``ValueError`` with what may be written instead."""
    text = text.strip()
    try:
        return _read(text, now)
    except (ValueError, OverflowError, ConfigError):
        raise ValueError(
            f"{text!r} is not a moment; write 2026-11-22T10:00, now, -2h, +15m or tomorrow 07:00"
        ) from None


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
        return _placed(datetime.combine(day, time.fromisoformat(clock) if clock else time()))
    return _placed(datetime.fromisoformat(text))


def _placed(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.astimezone()
