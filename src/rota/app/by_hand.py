"""One rule for all that a person asks for: where a job is off it is not run by hand either, unless that is forced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rota.errors import ConflictError
from rota.model.event import run_event
from rota.model.job import Job

if TYPE_CHECKING:  # a child process imports this module, and asks for nothing by hand
    from rota.store import Transaction


def is_forced(job: Job, environment: str | None, force: bool) -> bool:
    """Whether the job is off here and is to run all the same; raises ``ConflictError`` where it is off, and not to."""
    if job.enabled_in(environment):
        return False
    if not force:
        raise ConflictError(
            f"job {job.name!r} is off in the environment {environment!r}",
            hint="To run it all the same, give --force (in code: force_disabled=True).",
        )
    return True


def record_forced(
    tx: Transaction, job: Job, environment: str | None, run_ids: Iterable[int], by: str, now: int
) -> None:
    data = {"job": job.name, "environment": environment}
    tx.events.extend(run_event("run.forced", run_id, now, actor=by, data=data) for run_id in run_ids)
