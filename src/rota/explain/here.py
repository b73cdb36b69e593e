"""What this process knows beside the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rota.model.job import Job


@dataclass(frozen=True, slots=True)
class Here:
    """Its jobs, and its environment."""

    jobs: Mapping[str, Job]
    environment: str | None

    @property
    def named(self) -> set[str]:
        """The environments that jobs name."""
        return {name for job in self.jobs.values() for name in job.environments or ()}


NOWHERE = Here({}, None)
"""Of who looks at a ledger, and has neither."""
