"""``Cron``: an expression on the wall clock of a zone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal

from rota.calendar import mistakes
from rota.calendar.given import zone_name
from rota.calendar.pattern import NEVER
from rota.calendar.syntax import Expression, parse
from rota.calendar.trigger import Trigger
from rota.calendar.zones import FOREVER, Zone, zone
from rota.clock import EPOCH, SECOND, to_us
from rota.errors import ConfigError
from rota.shown import shown

Gap = Literal["after_gap", "skip"]
Overlap = Literal["first", "second", "both"]
_GAPS, _OVERLAPS = ("after_gap", "skip"), ("first", "second", "both")
LONGEST_GAP = 3 * 3600
"""A longer jump is a change of the calendar and makes nothing up, as in Debian's ``cron.c``."""
_DERIVED = {"parsed", "_first_at", "zone", "_tzinfo", "_fills_gap", "_first_only", "_second_only"}
_BEGIN = -62_135_596_800
"""The first second that a ``datetime`` in UTC can tell, as ``FOREVER`` is the first that it cannot."""


@dataclass(frozen=True, slots=True)
class Cron(Trigger):
    """Fires when the clock of a zone shows a time that the expression means.

    ``gap`` and ``overlap`` say what a job at fixed times does when the clock is put forward over it or back:
    one fire at the first moment after the gap, or none; in the first pass, the second, or both. A job with a
    ``*`` in its second, minute or hour follows the clock and knows neither. A jump of more than three hours
    makes nothing up.

    Raises ``CronError`` for what cannot be read or never fires, ``UnknownZoneError`` for the zone.
    """

    expression: str
    tz: str = "UTC"
    gap: Gap = "after_gap"
    overlap: Overlap = "first"
    parsed: Expression = field(init=False, repr=False, compare=False)
    _first_at: Callable[[int], int] = field(init=False, repr=False, compare=False)
    zone: Zone = field(init=False, repr=False, compare=False)
    _tzinfo: tzinfo = field(init=False, repr=False, compare=False)
    _fills_gap: bool = field(init=False, repr=False, compare=False)
    _first_only: bool = field(init=False, repr=False, compare=False)
    _second_only: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str):
            raise mistakes.not_text(self.expression)
        _choice("gap", self.gap, _GAPS)
        _choice("overlap", self.overlap, _OVERLAPS)
        object.__setattr__(self, "expression", parse(self.expression).text)
        object.__setattr__(self, "tz", zone(zone_name(self.tz)).name)

    def __getattr__(self, name: str) -> Any:
        """What follows from the text is made when it is first asked for: most of many schedules rest."""
        if name not in _DERIVED:
            raise AttributeError(name)
        parsed, place = parse(self.expression), zone(self.tz)
        derived = {
            "parsed": parsed,
            "_first_at": parsed.pattern.first_at,
            "zone": place,
            "_tzinfo": place.tzinfo,
            "_fills_gap": parsed.fixed and self.gap == "after_gap",
            "_first_only": parsed.fixed and self.overlap == "first",
            "_second_only": parsed.fixed and self.overlap == "second",
        }
        for key, value in derived.items():
            object.__setattr__(self, key, value)
        return derived[name]

    @property
    def fixed(self) -> bool:
        """The job is at fixed times; otherwise it follows the clock."""
        return self.parsed.fixed

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is probably not meant, or worth knowing; one line each."""
        from rota.calendar.text.advice import warnings  # seldom asked for

        return warnings(self)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first fire strictly later than an aware datetime; a naive one raises ``ValueError``."""
        try:
            since = moment - EPOCH
        except TypeError:
            to_us(moment)  # which says what a naive one lacks
            raise
        found = self._next(since.days * 86_400 + since.seconds)
        return None if found is None else datetime.fromtimestamp(found, self._tzinfo)

    def previous_before(self, moment: datetime) -> datetime | None:
        """The last fire strictly earlier than an aware datetime; a naive one raises ``ValueError``."""
        found = self._previous(-(-to_us(moment) // SECOND))
        return None if found is None else datetime.fromtimestamp(found, self._tzinfo)

    def next_after_us(self, moment_us: int) -> int | None:
        """The first fire strictly later than a moment, both in microseconds of UTC since 1970."""
        found = self._next(moment_us // SECOND)
        return None if found is None else found * SECOND

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last fire strictly earlier than a moment, both in microseconds of UTC since 1970."""
        found = self._previous(-(-moment_us // SECOND))
        return None if found is None else found * SECOND

    def fires(self, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """All fires later than ``after``, up to ``until`` inclusive or without end."""
        last = FOREVER if until is None else to_us(until) // SECOND
        found = self._next(to_us(after) // SECOND)
        while found is not None and found <= last:
            yield datetime.fromtimestamp(found, self._tzinfo)
            found = self._next(found)

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": "cron", "expression": self.expression, "tz": self.tz}
        if self.gap != "after_gap":
            data["gap"] = self.gap
        if self.overlap != "first":
            data["overlap"] = self.overlap
        return data

    def __reduce__(self) -> tuple[type[Cron], tuple[str, str, Gap, Overlap]]:
        return Cron, (self.expression, self.tz, self.gap, self.overlap)

    def _next(self, second: int) -> int | None:
        """The first fire after a UTC second."""
        ends, offsets = self.zone.table
        index = bisect_right(ends, second)
        if index == len(ends):
            ends, offsets = self.zone.reaching(second)
            index = bisect_right(ends, second)
        offset = offsets[index]
        start = second + offset + 1
        if self._first_only and index and start < ends[index - 1] + offsets[index - 1]:
            start = ends[index - 1] + offsets[index - 1]
        found = self._first_at(start)
        if found - offset < ends[index] and not self._second_only:
            return found - offset
        return self._next_across(index, start, found)

    def _next_across(self, index: int, start: int, found: int) -> int | None:
        """Go on from segment ``index``; ``found`` is the first match from the local ``start`` on."""
        origin = start
        while found < NEVER:
            ends, offsets = self.zone.reaching(min(found, FOREVER))
            offset, end = offsets[index], ends[index]
            if found < self._limit(index, ends, offsets):
                return found - offset
            if end >= FOREVER:
                return None
            after = offsets[index + 1]
            if self._fills_gap and 0 < after - offset <= LONGEST_GAP and found < end + after:
                return end
            start = end + (max(offset, after) if self._first_only else after)
            if not origin <= start <= found:
                origin, found = start, self._first_at(start)
            index += 1
        return None

    def _previous(self, second: int) -> int | None:
        """The last fire before a UTC second."""
        ends, offsets = self.zone.reaching(second)
        index = bisect_right(ends, second - 1)
        local = min(second + offsets[index], self._limit(index, ends, offsets)) - 1
        origin, found = local, self.parsed.pattern.last_at(local)
        while index:
            end, before, offset = ends[index - 1], offsets[index - 1], offsets[index]
            if found >= end + (max(before, offset) if self._first_only else offset):
                break
            if self._fills_gap and 0 < offset - before <= LONGEST_GAP and found >= end + before:
                return end
            index -= 1
            local = self._limit(index, ends, offsets) - 1
            if not found <= local <= origin:
                origin, found = local, self.parsed.pattern.last_at(local)
        return found - offsets[index] if found - offsets[index] >= _BEGIN else None

    def _limit(self, index: int, ends: tuple[int, ...], offsets: tuple[int, ...]) -> int:
        """The local second at which a segment stops to count: at its end, or where a repeated hour begins."""
        if self._second_only and index + 1 < len(offsets):
            return ends[index] + min(offsets[index], offsets[index + 1])
        return ends[index] + offsets[index]


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} cannot be {shown(value)}", hint=f"choose one of {', '.join(allowed)}")
