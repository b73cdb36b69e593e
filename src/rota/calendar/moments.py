"""``At``: given moments, once each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from rota.calendar.given import must_be, zone_name
from rota.calendar.trigger import Trigger, data_of_moment
from rota.calendar.zones import zone
from rota.clock import from_us, to_us
from rota.errors import CronError


@dataclass(frozen=True, slots=True)
class At(Trigger):
    """Fires at one aware datetime, or at each of several; a naive one raises ``ValueError``."""

    moments: tuple[datetime, ...]
    """In UTC, ascending, without doubles."""
    tz: str = "UTC"
    _moments_us: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __init__(self, moments: datetime | Iterable[datetime], tz: str | tzinfo = "UTC") -> None:
        must_be((datetime, Iterable), moments, "a moment", "as in at(datetime(2026, 12, 24, 18, tzinfo=UTC))")
        given = [moments] if isinstance(moments, datetime) else list(moments)
        if not given:
            raise CronError("no moment is given, so it would never fire", hint="give at least one aware datetime")
        name = zone(zone_name(tz)).name
        ordered = tuple(sorted({to_us(moment) for moment in given}))
        object.__setattr__(self, "moments", tuple(from_us(moment) for moment in ordered))
        object.__setattr__(self, "tz", name)
        object.__setattr__(self, "_moments_us", ordered)

    def next_after_us(self, moment_us: int) -> int | None:
        """The first of the moments strictly later than this one, in microseconds of UTC since 1970."""
        index = bisect_right(self._moments_us, moment_us)
        return self._moments_us[index] if index < len(self._moments_us) else None

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last of the moments strictly earlier than this one, in microseconds of UTC since 1970."""
        index = bisect_left(self._moments_us, moment_us)
        return self._moments_us[index - 1] if index else None

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": "at", "moments": [data_of_moment(moment) for moment in self.moments]}
        if self.tz != "UTC":
            data["tz"] = self.tz
        return data
