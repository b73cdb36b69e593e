"""When each duty of a node last worked: written by the loop that runs it, read by the heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
