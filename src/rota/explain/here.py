"""What this process knows beside the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rota.model.job import Job

if TYPE_CHECKING:
    from rota.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Here:
    """Its jobs, and its environment."""

    jobs: Mapping[str, Job]
    environment: str | None

    @property
    def named(self) -> set[str]:
        """The environments that jobs name."""
        return {name for job in self.jobs.values() for name in job.environments or ()}


class Application(Protocol):
    """The part of ``Rota`` that is told of."""

    @property
    def jobs(self) -> Mapping[str, Job]: ...

    @property
    def settings(self) -> Settings: ...


def here(app: Application) -> Here:
    return Here(app.jobs, app.settings.environment)


NOWHERE = Here({}, None)
"""Of who looks at a ledger, and has neither."""
