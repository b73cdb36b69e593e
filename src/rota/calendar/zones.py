"""Time zones as two tuples of integers, so that one bisection answers what the clock shows.

``ends[i]`` is the UTC second at which segment ``i`` ends and ``offsets[i]`` the seconds east of UTC in it.
They come from the zone files that ``zoneinfo`` reads, and beyond their last change from the rule in its
footer. That part reaches a few years ahead and grows when somebody asks for a later moment.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rota.errors import UnknownZoneError

if TYPE_CHECKING:
    from rota.calendar.footer import Footer

Table = tuple[tuple[int, ...], tuple[int, ...]]

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DAY = 86_400
_YEAR = 31_556_952
_AHEAD = 10 * _YEAR
FOREVER: Final = (date.max.toordinal() - _EPOCH_ORDINAL + 1) * _DAY
"""The first second that a ``datetime`` in UTC cannot tell."""
_HEADER = struct.Struct(">4sc15x6l")
_START_OF_RULES = 1970


class Zone:
    """The clock of one place. Shared and safe among threads: its only change is to swap in a longer table."""

    __slots__ = ("_changes", "_footer", "name", "table", "tzinfo")

    def __init__(
        self, name: str, tz: tzinfo, changes: tuple[tuple[int, int], ...], footer: Footer | None = None
    ) -> None:
        """``changes`` begins with the offset of the beginning, at a moment before all others."""
        self.name = name
        self.tzinfo = tz
        self._changes = changes
        self._footer = footer
        self.table: Table = self._table_until(changes[-1][0])

    def reaching(self, second: int) -> Table:
        """The table, made long enough to tell the clock for years after this UTC second."""
        table = self.table
        if second + _YEAR >= table[0][-1] < FOREVER:
            table = self.table = self._table_until(second)
        return table

    def segment(self, second: int) -> tuple[int, int, int]:
        """The longest stretch without a change around a UTC second: its start, its end and its offset."""
        ends, offsets = self.reaching(second)
        index = bisect_right(ends, second)
        return ends[index - 1] if index else -FOREVER, ends[index], offsets[index]

    def changes_after(self, second: int) -> Iterator[tuple[int, int, int]]:
        """The coming changes of the clock: (UTC second, offset before, offset after)."""
        while True:
            ends, offsets = self.reaching(second)
            index = bisect_right(ends, second)
            if ends[index] >= FOREVER:
                return
            if index + 1 < len(ends):
                yield ends[index], offsets[index], offsets[index + 1]
            second = ends[index]

    def _table_until(self, second: int) -> Table:
        changes = list(self._changes)
        horizon = FOREVER
        if self._footer is not None and self._footer.to_summer is not None:
            horizon = min(max(second, changes[-1][0], 0) + _AHEAD, FOREVER)
            changes += self._by_footer(self._footer, changes[-1][0], horizon)
        ends: list[int] = []
        offsets = [changes[0][1]]
        for moment, offset in changes[1:]:
            if offset != offsets[-1]:
                ends.append(moment)
                offsets.append(offset)
        return (*ends, horizon), tuple(offsets)

    def _by_footer(self, footer: Footer, after: int, until: int) -> Iterator[tuple[int, int]]:
        first = max(_year_of(after), _START_OF_RULES)
        for year in range(first, min(_year_of(until), date.max.year) + 1):
            for moment, offset in footer.changes(year):
                if after < moment < until:
                    yield moment, offset

    def __repr__(self) -> str:
        return f"Zone({self.name!r})"


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """Load a zone by its name in the tz database; ``UnknownZoneError`` when this machine has no such zone."""
    if name == "UTC":
        return Zone("UTC", UTC, ((-FOREVER, 0),))
    from zoneinfo import ZoneInfo  # costs several milliseconds, which a program in UTC need not pay

    try:
        tz = ZoneInfo(name)
        data = _zone_file(name)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, ModuleNotFoundError) as error:
        raise UnknownZoneError(f"no time zone is called {name!r}", hint=_suggestion(name)) from error
    changes, footer = _read(data)
    return Zone(name, tz, changes, footer)


def _zone_file(name: str) -> bytes:
    """The bytes that ``ZoneInfo`` found: the system's, or those of the tzdata package."""
    from importlib.resources import files
    from pathlib import Path
    from zoneinfo import TZPATH

    for folder in TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return path.read_bytes()
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def _read(data: bytes) -> tuple[tuple[tuple[int, int], ...], Footer | None]:
    """The changes and the footer of a TZif file (RFC 9636); version 2 repeats the data in 64 bits."""
    from rota.calendar.footer import read_footer  # like zoneinfo, of no use to a program in UTC

    version, counts = _header(data, 0)
    if version == b"\0":
        return _changes(data, _HEADER.size, counts, "l"), None
    at = _HEADER.size + _body_size(counts, 4)
    _, counts = _header(data, at)
    at += _HEADER.size
    footer = data[at + _body_size(counts, 8) :].strip(b"\n").decode("ascii")
    return _changes(data, at, counts, "q"), read_footer(footer) if footer else None


def _header(data: bytes, at: int) -> tuple[bytes, tuple[int, ...]]:
    _, version, *counts = _HEADER.unpack_from(data, at)
    return version, tuple(counts)


def _body_size(counts: tuple[int, ...], width: int) -> int:
    universal, standard, leaps, times, types, characters = counts
    return times * (width + 1) + types * 6 + characters + leaps * (width + 4) + standard + universal


def _changes(data: bytes, at: int, counts: tuple[int, ...], width: str) -> tuple[tuple[int, int], ...]:
    times, types = counts[3], counts[4]
    moments = struct.unpack_from(f">{times}{width}", data, at)
    at += struct.calcsize(f">{times}{width}")
    kinds = data[at : at + times]
    offsets = [struct.unpack_from(">l", data, at + times + 6 * kind)[0] for kind in range(types)]
    return (
        (-FOREVER, offsets[0]),
        *((moment, offsets[kind]) for moment, kind in zip(moments, kinds, strict=True)),
    )


def _year_of(second: int) -> int:
    day = second // _DAY + _EPOCH_ORDINAL
    return date.fromordinal(min(max(day, 1), date.max.toordinal())).year


_ABBREVIATIONS = {
    "cest": "Europe/Paris",
    "eest": "Europe/Helsinki",
    "west": "Europe/Lisbon",
    "bst": "Europe/London",
    "edt": "America/New_York",
    "cdt": "America/Chicago",
    "mdt": "America/Denver",
    "pdt": "America/Los_Angeles",
    "akdt": "America/Anchorage",
    "aest": "Australia/Sydney",
    "aedt": "Australia/Sydney",
    "nzdt": "Pacific/Auckland",
    "pst": "America/Los_Angeles",
    "cst": "America/Chicago",
    "ist": "Asia/Kolkata",
    "jst": "Asia/Tokyo",
}


def _suggestion(name: str) -> str:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    if not available_timezones():
        return "install the tzdata package: pip install tzdata"
    wanted = str(name).strip().lower().replace(" ", "_")
    if wanted in _ABBREVIATIONS:
        return f"it is short for a time of {_ABBREVIATIONS[wanted]} and others: name the zone, which knows its changes"
    by_lower = {known.lower(): known for known in available_timezones()}
    last_parts = {known.rpartition("/")[2]: known for known in by_lower}
    close = get_close_matches(wanted, by_lower, n=1, cutoff=0.7)
    close = close or [last_parts[part] for part in get_close_matches(wanted, last_parts, n=1, cutoff=0.8)]
    return f"did you mean {by_lower[close[0]]}?" if close else "use a name like Europe/Paris or America/New_York"


def tzdata_version() -> str:
    """The version of the zone data in use, as ``2026a``; empty where the data does not say."""
    from importlib import import_module
    from pathlib import Path
    from zoneinfo import TZPATH

    for folder in TZPATH:
        path = Path(folder, "tzdata.zi")
        if path.is_file():
            first, *_ = path.read_text(encoding="ascii").splitlines()
            return first.removeprefix("# version").strip()
    try:
        return str(import_module("tzdata").IANA_VERSION)
    except ImportError:
        return ""
