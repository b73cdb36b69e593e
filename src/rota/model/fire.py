"""A fire: one due moment of one schedule, and its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    FIRED = "fired"
    SKIPPED = "skipped"
    """Not run on purpose: an earlier run was not over, the schedule was paused, the job is off in this environment."""
    MISSED = "missed"
    """No node was there, and the catch-up policy does not make up for it."""
    SUPERSEDED = "superseded"
    """One of several missed moments that a later one stands for."""


class FireKind(StrEnum):
    DUE = "due"
    MANUAL = "manual"
    """Asked for by hand: never uses up a due moment."""
    BACKFILL = "backfill"


class NewFire(NamedTuple):
    """A verdict about to be written down; from ``due_at`` through ``through_at`` stand ``moments`` due moments."""

    schedule: str
    due_at: int
    kind: FireKind
    verdict: Verdict
    reason: str | None
    through_at: int | None = None
    moments: int | None = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRecord:
    """A row of the fire ledger; from ``due_at`` through ``through_at`` stand ``moments`` due moments of one verdict."""

    id: int
    schedule: str
    due_at: int
    kind: str
    verdict: str
    reason: str | None
    through_at: int | None
    moments: int | None
    decided_at: int
    node: str | None
    run_id: int | None
    """The first of its runs that is kept."""
    runs: int
    """How many are kept: more than one where it makes one for each host."""
