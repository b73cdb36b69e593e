"""A batch: the runs that one run fanned out into, counted together, and what follows once all are over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """As the ledger holds it; moments are microseconds of UTC."""

    id: int
    parent_run_id: int | None
    job: str
    total: int
    succeeded: int
    failed: int
    cancelled: int
    then_job: str | None
    then_arguments: str | None
    """JSON text."""
    created_at: int
    finished_at: int | None
