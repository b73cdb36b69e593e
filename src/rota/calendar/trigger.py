"""What a trigger is: something that knows its due moments, forwards and backwards; and triggers made of triggers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from rota.calendar.calendars import Calendar, Calendars
from rota.calendar.given import must_be
from rota.calendar.zones import zone
from rota.clock import EPOCH, SECOND, to_us
from rota.errors import CronError


@runtime_checkable
class Trigger(Protocol):
    """A fixed set of moments. ``next`` and ``previous`` walk the same set, so each undoes the other.

    Whoever writes one gives ``tz``, ``next_after_us``, ``previous_before_us`` and ``to_data``; the rest
    follows. All of it is pure and may be shared among threads.
    """

    __slots__ = ()

    @property
    def tz(self) -> str:
        """The zone in which answers are given."""
        ...

    def next_after_us(self, moment_us: int) -> int | None:
        """The first fire strictly later than a moment, both in microseconds of UTC since 1970."""
        ...

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last fire strictly earlier than a moment."""
        ...

    def to_data(self) -> dict[str, Any]:
        """The trigger as plain JSON data, from which ``trigger_from_data`` makes an equal one."""
        ...

    def next_after(self, moment: datetime) -> datetime | None:
        """The first fire strictly later than an aware datetime; a naive one raises ``ValueError``."""
        return self._local(self.next_after_us(to_us(moment)))

    def previous_before(self, moment: datetime) -> datetime | None:
        """The last fire strictly earlier than an aware datetime; a naive one raises ``ValueError``."""
        return self._local(self.previous_before_us(to_us(moment)))

    def fires(self, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """All fires later than ``after``, up to ``until`` inclusive or without end."""
        last = None if until is None else to_us(until)
        found = self.next_after_us(to_us(after))
        while found is not None and (last is None or found <= last):
            moment = self._local(found)
            if moment is None:
                return
            yield moment
            found = self.next_after_us(found)

    def excluding(self, *calendars: Calendar) -> Excluding:
        """The same trigger without the moments that any of the calendars covers."""
        for each in calendars:
            must_be(Calendar, each, "what is excluded", 'as in excluding(Dates("2026-12-25"))')
        return Excluding(self, calendars[0] if len(calendars) == 1 else Calendars(*calendars))

    def _local(self, moment_us: int | None) -> datetime | None:
        """``None`` as well where the calendar ends: after the year 9999 and before the year 1, on the zone's clock."""
        if moment_us is None:
            return None
        try:
            return (EPOCH + timedelta(microseconds=moment_us)).astimezone(zone(self.tz).tzinfo)
        except OverflowError:
            return None


def data_of_moment(moment: datetime) -> str:
    """A moment as ISO text in UTC."""
    return moment.astimezone(UTC).isoformat()


_PATIENCE_US = 50 * 366 * 86_400 * SECOND
"""The rarest expression, 29 February on a Monday, pauses for 40 years; a longer silence is for ever."""


@dataclass(frozen=True, slots=True)
class AnyOf(Trigger):
    """Fires whenever one of its triggers does, once when several do at the same moment."""

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        if not triggers:
            raise CronError("no trigger is given, so it would never fire", hint="any_of(cron(…), every(…))")
        for each in triggers:
            must_be(Trigger, each, "a trigger of any_of", "any_of(cron(…), every(…))")
        flat: dict[Trigger, None] = {}
        for trigger in triggers:
            flat |= dict.fromkeys(trigger.triggers if isinstance(trigger, AnyOf) else (trigger,))
        object.__setattr__(self, "triggers", tuple(flat))

    @property
    def tz(self) -> str:
        """The zone of all of them, or UTC when they differ."""
        zones = {trigger.tz for trigger in self.triggers}
        return zones.pop() if len(zones) == 1 else "UTC"

    def next_after_us(self, moment_us: int) -> int | None:
        """The first fire of any of them strictly later than a moment."""
        found = [trigger.next_after_us(moment_us) for trigger in self.triggers]
        return min((fire for fire in found if fire is not None), default=None)

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last fire of any of them strictly earlier than a moment."""
        found = [trigger.previous_before_us(moment_us) for trigger in self.triggers]
        return max((fire for fire in found if fire is not None), default=None)

    def to_data(self) -> dict[str, Any]:
        return {"kind": "any_of", "triggers": [trigger.to_data() for trigger in self.triggers]}

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.triggers))})"


@dataclass(frozen=True, slots=True)
class Excluding(Trigger):
    """A trigger without the fires that a calendar covers; its days are days in the trigger's zone.

    What is covered is left out, not moved. When nothing is left for 50 years the answer is ``None``.
    """

    trigger: Trigger
    calendar: Calendar

    @property
    def tz(self) -> str:
        return self.trigger.tz

    def next_after_us(self, moment_us: int) -> int | None:
        """The first fire outside the calendar strictly later than a moment."""
        place = zone(self.tz)
        found = self.trigger.next_after_us(moment_us)
        last = None if found is None else found + _PATIENCE_US
        while found is not None and last is not None and found <= last:
            window = self.calendar.window_us(found, place)
            if window is None:
                return found
            found = self.trigger.next_after_us(window[1] - 1)
        return None

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last fire outside the calendar strictly earlier than a moment."""
        place = zone(self.tz)
        found = self.trigger.previous_before_us(moment_us)
        first = None if found is None else found - _PATIENCE_US
        while found is not None and first is not None and found >= first:
            window = self.calendar.window_us(found, place)
            if window is None:
                return found
            found = self.trigger.previous_before_us(window[0])
        return None

    def to_data(self) -> dict[str, Any]:
        return {"kind": "excluding", "trigger": self.trigger.to_data(), "calendar": self.calendar.to_data()}


@dataclass(frozen=True, slots=True)
class Bounded(Trigger):
    """The fires of a trigger from one moment on, and up to another: both belong to it."""

    trigger: Trigger
    first_us: int | None
    last_us: int | None

    @property
    def tz(self) -> str:
        return self.trigger.tz

    def next_after_us(self, moment_us: int) -> int | None:
        """The first fire within the bounds strictly later than a moment."""
        since = moment_us if self.first_us is None else max(moment_us, self.first_us - 1)
        found = self.trigger.next_after_us(since)
        return None if found is None or (self.last_us is not None and found > self.last_us) else found

    def previous_before_us(self, moment_us: int) -> int | None:
        """The last fire within the bounds strictly earlier than a moment."""
        until = moment_us if self.last_us is None else min(moment_us, self.last_us + 1)
        found = self.trigger.previous_before_us(until)
        return None if found is None or (self.first_us is not None and found < self.first_us) else found

    def to_data(self) -> dict[str, Any]:
        """Of the trigger: the bounds stand in the definition of the schedule."""
        return self.trigger.to_data()
