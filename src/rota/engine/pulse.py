"""When each duty of a node last worked: written by the loop that runs it, read by the heartbeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Pulse:
    """Moments are ``time.monotonic()``; ``None``: never."""

    name: str
    interval: float
    """How long the duty waits when there is nothing to do."""
    begun_at: float | None = None
    """Of the tick under way; ``None`` between two."""
    ticked_at: float | None = None
    """Of the end of the last tick that did not raise."""
    failed_at: float | None = None
    error: str | None = None
    unable: Callable[[], Mapping[str, str]] = dict
    """The schedules that this node cannot judge, each with the reason."""

    def standing(self, now: float) -> float:
        """For how many seconds the tick under way has lasted."""
        begun_at = self.begun_at
        return 0.0 if begun_at is None else now - begun_at


def standing_still(pulses: Iterable[Pulse], patience: float) -> list[Pulse]:
    """Those that have been in one tick for longer than so many seconds."""
    now = time.monotonic()
    return [pulse for pulse in pulses if pulse.standing(now) > patience]
