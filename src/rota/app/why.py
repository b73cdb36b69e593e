"""The answer to "why": one sentence, and the facts behind it, each from a row of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """``kind`` is a word for programs, as ``queue_paused``; ``text`` a clause for people; in ``data``, moments are
    microseconds of UTC, lengths seconds."""

    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What stands in the way comes first among the facts, and is in the summary; how it came there follows."""

    subject: str
    """``run:17``, ``schedule:nightly``."""
    state: str
    summary: str
    facts: tuple[Fact, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(fact.kind for fact in self.facts)

    def fact(self, kind: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.kind == kind), None)


def fact(kind: str, text: str, /, **data: Any) -> Fact:
    return Fact(kind=kind, text=text, data=data)
