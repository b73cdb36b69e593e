"""One rule for all that a person asks for: where a job is off it is not run by hand either, unless that is forced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rota.clock import to_us
from rota.errors import ConflictError
from rota.model.event import run_event
from rota.model.job import Job
from rota.model.options import Options

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


def record_dated(tx: Transaction, job: Job, options: Options, run_id: int, by: str, now: int) -> None:
    """That somebody had a run replay, repair or try what another moment would bring."""
    given = {name: moment for name in ("due", "as_of") if (moment := getattr(options, name)) is not None}
    data = {"job": job.name, **{name: to_us(moment) for name, moment in given.items()}}
    tx.events.append(run_event("run.dated", run_id, now, actor=by, data=data))
