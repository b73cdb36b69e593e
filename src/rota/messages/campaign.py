"""One message to very many people, for one period."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rota.messages.mailing import Mailing
from rota.recipes.age import Age

if TYPE_CHECKING:
    from rota import JobResult, Run


@dataclass(frozen=True, eq=False)
class Campaign(Mailing):
    """Begins at most ``lateness`` after the moment that it is due; later it is missed, and says so."""

    _: KW_ONLY
    lateness: timedelta | str = "48h"
    of_one_period = True

    def __post_init__(self) -> None:
        super().__post_init__()
        Age.of(self.lateness)

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        if run.schedule is not None and Age.of(self.lateness).before(run.as_of) > run.due_at:
            run.emit("campaign.missed", kind=self.kind, due_at=run.due_at.isoformat())
            return JobResult(status="failed", message=f"missed: it was due more than {self.lateness} ago")
        result = super().__call__(run, plan)
        if not run.muted and result.again_in is None:
            run.emit("campaign.finished", kind=self.kind, status=result.status, counts=result.counts)
        return result
