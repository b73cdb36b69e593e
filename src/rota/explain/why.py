"""The answer to "why": one sentence, and the findings behind it, each from a row of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from rota.explain.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What stands in the way comes first among the facts, and is in the summary; how it came there follows."""

    subject: str
    """``run:17``, ``schedule:nightly``."""
    state: str
    summary: str
    facts: tuple[Finding, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(fact.kind for fact in self.facts)

    def fact(self, kind: str) -> Finding | None:
        return next((fact for fact in self.facts if fact.kind == kind), None)
