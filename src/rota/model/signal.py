"""A signal: what a run waits for, as a person or a program gives it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from rota.clock import from_us
from rota.model import payload

APPROVAL = "approval"
"""The name of the signal by which a person approves, or refuses."""
ABOUT_CHARACTERS = 1_000


def approval_of(waits_for: str | None) -> str:
    """The signal by which a person approves of a run that waits for this one."""
    return waits_for if waits_for is not None and waits_for.startswith(f"{APPROVAL}:") else APPROVAL


class Wait(NamedTuple):
    """What a body waits for: the signal's name, for at most so many seconds, and what people are told of it."""

    name: str
    timeout: float | None = None
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """What ``run.wait_for`` returns: the ``data`` of the signal, who gave it, why and when.

    ``timed_out``: nobody gave it in time; ``at`` is the moment then until which it was waited for.
    """

    name: str
    data: Any = None
    by: str | None = None
    why: str | None = None
    at: datetime | None = None
    timed_out: bool = False

    @property
    def approved(self) -> bool:
        """Whether somebody said yes: ``rota run approve``, or a program with the data ``{"approved": True}``."""
        return isinstance(self.data, dict) and self.data.get("approved") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRecord:
    """As the ledger holds it; moments are microseconds of UTC, ``data`` is JSON text."""

    run_id: int
    name: str
    at: int
    timed_out_at: int | None
    """Instead of a signal came the end of the time to wait for it."""
    actor: str | None
    why: str | None
    data: str | None

    @property
    def signal(self) -> Signal:
        """As the body gets it."""
        return Signal(
            name=self.name,
            data=None if self.data is None else payload.load(self.data),
            by=self.actor,
            why=self.why,
            at=from_us(self.at),
            timed_out=self.timed_out_at is not None,
        )
