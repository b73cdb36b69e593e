"""The run that a fire makes."""

from __future__ import annotations

from rota.engine.enqueue import Enqueuer, Origin
from rota.model.job import Job
from rota.model.options import Options
from rota.model.run import NewRun
from rota.model.schedule import Definition

Limit = tuple[str | None, int | None]
"""A key, and how many may run under it at once."""


def fired_run(
    enqueuer: Enqueuer,
    schedule: str,
    definition: Definition,
    job: Job,
    limit: Limit,
    moment: int,
    fire_id: int,
    now: int,
) -> NewRun:
    """The run of a fire, counted under its ``limits``."""
    options = Options(queue=definition.queue, priority=definition.priority, by=f"schedule:{schedule}")
    origin = Origin(
        due_at=moment + definition.jitter_us(schedule, moment),
        limit=limit,
        schedule=schedule,
        fire_id=fire_id,
        fire_due_at=moment,
    )
    return enqueuer.new_run(job, definition.arguments, now, options, origin)


def limits(schedule: str, definition: Definition, job: Job) -> Limit:
    """What the runs of a schedule are counted under: the job's own limit, else one of the schedule's."""
    key, count = job.limit(definition.arguments)
    if key is None and definition.overlap != "allow":
        return f"schedule:{schedule}", 1
    return key, count
