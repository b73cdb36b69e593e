"""A step: a part of a body that is done once, however often the body begins."""

from __future__ import annotations

from dataclasses import dataclass

STEP_BYTES = 262_144
"""So much of what a step returns is kept, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """As the ledger holds it; ``at`` is in microseconds of UTC, ``result`` is JSON text."""

    run_id: int
    name: str
    attempt: int
    at: int
    result: str | None
    error: str | None
    """Why what it returned was not kept. It is done all the same."""
