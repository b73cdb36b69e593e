"""What keeps a recipe from doing harm: how much it may change at most, and how gently it goes about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from rota.errors import ConfigError
from rota.recipes.age import Age

OnGuard = Literal["park", "abort"]
LEAST_AGE = Age(0, timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """The limits of a recipe. Whichever of them trips first stops it before it changes anything.

    ``most_rows``: so many at most in one run. ``most_fraction``: so much of the table at most, where that is more than
    ``floor`` rows. ``runaway``: so many times the mean of the last 30 days at most, above the same floor.
    ``least_age``: rows must be older than that, however the age rule was written. ``cascades``: other tables that lose
    rows with these, by a foreign key, and may. ``on_guard``: ``"park"`` waits up to ``patience`` for a person,
    ``"abort"`` ends.

    ``rows_a_run``: no limit to trip over, but a share: a run does so many, and leaves the rest to the next one.
    ``batch`` rows are changed in one transaction at most, ``pause`` lies between two, ``window`` is when a sweep may be
    at it (``"01:00-06:00"``, UTC).
    """

    most_rows: int | None = None
    most_fraction: float | None = 0.05
    floor: int = 1_000
    runaway: float | None = 3.0
    least_age: Age | timedelta | str = LEAST_AGE
    cascades: frozenset[str] | set[str] = frozenset()
    on_guard: OnGuard = "park"
    patience: str = "7d"
    rows_a_run: int | None = None
    batch: int = 1_000
    pause: timedelta | float = 0.1
    window: str | None = None
    sample: int = 5

    def __post_init__(self) -> None:
        for name, least in (("most_rows", 0), ("rows_a_run", 1), ("floor", 0), ("batch", 1), ("sample", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ConfigError(f"Safety: {name}={value!r} is no count", hint=f"Give a whole number from {least}.")
        for name, number in (("most_fraction", self.most_fraction), ("runaway", self.runaway)):
            if number is not None and not isinstance(number, (int, float)):
                raise ConfigError(f"Safety: {name}={number!r} is no number", hint=f"Write {name}=0.05, or None.")
        if not isinstance(self.pause, (timedelta, int, float)) or self.pause_seconds < 0:
            raise ConfigError(f"Safety: pause={self.pause!r} is no pause", hint="Give seconds, or a timedelta.")
        cascades: Any = self.cascades
        if not isinstance(cascades, (set, frozenset)):
            raise ConfigError(f"Safety: cascades={cascades!r} is no set", hint="Write cascades={'table'}.")
        Age.of(self.patience)
        if self.most_fraction is not None and not 0 < self.most_fraction <= 1:
            raise ConfigError(
                f"Safety: most_fraction={self.most_fraction!r} is no part of a table",
                hint="0.05 is a twentieth of it; None does not ask.",
            )
        if self.on_guard not in ("park", "abort"):
            raise ConfigError(f"Safety: on_guard={self.on_guard!r}", hint='Give "park" or "abort".')
        object.__setattr__(self, "least_age", Age.of(self.least_age))
        if self.window is not None:
            Window.parse(self.window)

    def with_(self, **changes: Any) -> Safety:
        """The same with some of it changed."""
        return replace(self, **changes)

    @property
    def pause_seconds(self) -> float:
        return self.pause.total_seconds() if isinstance(self.pause, timedelta) else float(self.pause)


DEFAULT = Safety()


@dataclass(frozen=True, slots=True)
class Window:
    """From one minute of the day to another, in UTC; it may go past midnight."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Window:
        try:
            start, end = (_minute(part) for part in text.split("-"))
        except (ValueError, AttributeError):
            raise ConfigError(f"{text!r} is no window", hint='Write "01:00-06:00".') from None
        return cls(start, end)

    def holds(self, minute: int) -> bool:
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def _minute(text: str) -> int:
    hours, minutes = text.strip().split(":")
    if not (0 <= int(hours) <= 24 and 0 <= int(minutes) < 60):
        raise ValueError(text)
    return int(hours) * 60 + int(minutes)
