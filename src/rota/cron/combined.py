"""Triggers made of triggers: ``AnyOf`` adds, ``Excluding`` takes away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rota.cron.calendars import Calendar
from rota.cron.trigger import SECOND, Trigger
from rota.cron.zones import zone
from rota.errors import CronError

_PATIENCE_US = 50 * 366 * 86_400 * SECOND
"""The rarest expression, 29 February on a Monday, pauses for 40 years; a longer silence is for ever."""


@dataclass(frozen=True, slots=True)
class AnyOf(Trigger):
    """Fires whenever one of its triggers does, once when several do at the same moment."""

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        if not triggers:
            raise CronError("no trigger is given, so it would never fire", hint="any_of(cron(…), every(…))")
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
