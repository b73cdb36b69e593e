"""What a trigger is: something that knows its due moments, forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rota.clock import EPOCH, to_us
from rota.cron.zones import zone

if TYPE_CHECKING:
    from rota.cron.calendars import Calendar
    from rota.cron.combined import Excluding

SECOND = 1_000_000
"""Microseconds in one."""


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
        from rota.cron.calendars import Calendars
        from rota.cron.combined import Excluding  # which is itself a trigger

        return Excluding(self, calendars[0] if len(calendars) == 1 else Calendars(*calendars))

    def _local(self, moment_us: int | None) -> datetime | None:
        if moment_us is None:
            return None
        return (EPOCH + timedelta(microseconds=moment_us)).astimezone(zone(self.tz).tzinfo)


def data_of_moment(moment: datetime) -> str:
    """A moment as ISO text in UTC."""
    return moment.astimezone(UTC).isoformat()
