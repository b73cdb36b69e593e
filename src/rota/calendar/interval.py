"""``Every``: a fixed interval of absolute time, whatever clocks on walls do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from rota.calendar.given import zone_name
from rota.calendar.trigger import Trigger, data_of_moment
from rota.calendar.zones import zone
from rota.clock import EPOCH, SECOND, from_us, to_us
from rota.errors import CronError
from rota.shown import shown

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TEXT = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit}\s*)?" for unit in _UNITS), re.IGNORECASE | re.ASCII)
_LONGEST = timedelta(days=36_525)
_TOO_LONG = 10**10
"""Seconds; more would not even fit into a ``timedelta``."""
_HINT = "as in 90s, 15m, 6h, 1h30m, 2d or 1w"


@dataclass(frozen=True, slots=True)
class Every(Trigger):
    """Fires at ``anchor`` and at every whole number of intervals before and after it.

    The interval is a ``timedelta`` or a text like ``90s``, ``6h``, ``1h30m``, of whole seconds, at least one.
    The anchor is the Unix epoch unless given, so that all nodes find the same moments. Raises ``CronError``.
    """

    interval: timedelta
    anchor: datetime = EPOCH
    tz: str = "UTC"
    _period_us: int = field(init=False, repr=False, compare=False)
    _anchor_us: int = field(init=False, repr=False, compare=False)

    def __init__(self, interval: timedelta | str, anchor: datetime | None = None, tz: str | tzinfo = "UTC") -> None:
        period = read_interval(interval) if isinstance(interval, str) else interval
        _check(period)
        name = zone(zone_name(tz)).name
        anchor_us = to_us(anchor or EPOCH)
        if anchor_us % SECOND:
            raise CronError(f"the anchor {anchor} is not on a whole second", hint="drop its microseconds")
        for field_name, value in {
            "interval": period,
            "anchor": from_us(anchor_us),
            "tz": name,
            "_period_us": period // timedelta(microseconds=1),
            "_anchor_us": anchor_us,
        }.items():
            object.__setattr__(self, field_name, value)

    def next_after_us(self, moment_us: int) -> int | None:
        """The first fire strictly later than a moment, both in microseconds of UTC since 1970."""
        return moment_us + self._period_us - (moment_us - self._anchor_us) % self._period_us

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last fire strictly earlier than a moment, both in microseconds of UTC since 1970."""
        return moment_us - 1 - (moment_us - 1 - self._anchor_us) % self._period_us

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": "every", "interval": interval_text(self.interval)}
        if self.anchor != EPOCH:
            data["anchor"] = data_of_moment(self.anchor)
        if self.tz != "UTC":
            data["tz"] = self.tz
        return data

    def __repr__(self) -> str:
        anchor = "" if self.anchor == EPOCH else f", anchor={self.anchor!r}"
        tz = "" if self.tz == "UTC" else f", tz={self.tz!r}"
        return f"Every({interval_text(self.interval)!r}{anchor}{tz})"


def read_interval(text: str) -> timedelta:
    """Read ``1h30m``: weeks, days, hours, minutes, seconds, in this order, each at most once."""
    match = _TEXT.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise CronError(
            f"the interval {text!r} cannot be read",
            expression=text,
            span=(0, len(text)),
            field="interval",
            hint=f"{_HINT}: whole numbers, the largest unit first",
        )
    numbers = zip(match.groups(), _UNITS.values(), strict=True)
    return timedelta(seconds=min(sum(int(number) * seconds for number, seconds in numbers if number), _TOO_LONG))


def interval_text(interval: timedelta) -> str:
    """The shortest text that ``read_interval`` takes back, as ``1h30m``."""
    rest, parts = interval.days * 86_400 + interval.seconds, []
    for unit, seconds in _UNITS.items():
        number, rest = divmod(rest, seconds)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)


def _check(interval: timedelta) -> None:
    if not isinstance(interval, timedelta):
        raise CronError(f"an interval is a text or a timedelta, not {shown(interval)}", field="interval", hint=_HINT)
    if interval.microseconds:
        raise CronError(f"the interval {interval} has a part of a second", field="interval", hint="use whole seconds")
    if not timedelta(seconds=1) <= interval <= _LONGEST:
        raise CronError(f"the interval {interval} is outside 1 second to 100 years", field="interval", hint=_HINT)
