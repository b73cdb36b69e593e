"""What every way out is to the rest: add one by writing a class of this shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rota.errors import ConfigError
from rota.messages.message import Message
from rota.messages.outcome import Outcome

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many messages, and so many requests, a second, over all nodes and jobs; 0 is without limit."""

    messages: float = 0.0
    requests: float = 0.0

    @classmethod
    def of(cls, messages: str | None, requests: str | None = None) -> Rate:
        """Of ``"100/s"``, ``"600/m"``. Raises ``ConfigError``."""
        return cls(_per_second(messages), _per_second(requests))


class Sender(Protocol):
    """``name`` is what its pace and its breaker are shared under; ``honours_keys``: it takes a repeated key as the same
    message; ``connections``: so many calls at a time; ``per_request``: so many messages share one request."""

    name: str
    honours_keys: bool
    connections: int
    per_request: int
    rate: Rate

    def send(self, messages: Sequence[Message]) -> Iterable[Outcome]:
        """Hand them over, and yield what became of each, in their order. Called by many threads at once; whoever
        stops listening wants the rest left unsent."""
        ...

    def rest(self) -> None:
        """Nothing will be sent for a while: give connections back."""
        ...


def _per_second(text: str | None) -> float:
    if text is None:
        return 0.0
    found = _RATE.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise ConfigError(f"{text!r} is no rate", hint='Write "100/s", "600/m", "5000/h".')
    return float(found[1]) / _UNITS[found[2]]
