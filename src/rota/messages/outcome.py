"""What became of one try to hand a message over. A sender answers with one of these, whatever happens to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider has it; ``provider_id`` is its name for it, where it gives one."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """This message will never go through; ``bounce``: because nobody is at that address."""

    error: str
    bounce: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Surely not taken, and worth another try. ``down``: it is the provider that has a problem, and not this message.
    ``retry_after``: seconds that the provider asked for."""

    error: str
    down: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """Nobody can know whether it was taken."""

    error: str


@dataclass(frozen=True, slots=True)
class Held:
    """Not tried: the run was told to stop, or it was looked at too long ago."""


Outcome = Sent | Refused | Later | Unsure | Held
