"""A lease: who holds a name, and until when; the term rises with each new holding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """As the ledger holds it: ``holder`` is empty where it was given back; ``expires_at`` is in microseconds of UTC."""

    name: str
    holder: str
    term: int
    expires_at: int
