"""The run that a fire makes."""

from __future__ import annotations

from rota.engine.enqueue import Enqueuer, Origin
from rota.model.job import Job
from rota.model.options import Options
from rota.model.run import NewRun
from rota.model.schedule import Definition


def fired_run(
    enqueuer: Enqueuer, schedule: str, definition: Definition, job: Job, moment: int, fire_id: int, now: int
) -> NewRun:
    """The run of a fire."""
    options = Options(queue=definition.queue, priority=definition.priority, by=f"schedule:{schedule}")
    origin = Origin(
        due_at=moment + definition.jitter_us(schedule, moment),
        limit=limits(schedule, definition, job),
        schedule=schedule,
        fire_id=fire_id,
        fire_due_at=moment,
    )
    return enqueuer.new_run(job, definition.arguments, now, options, origin)


def limits(schedule: str, definition: Definition, job: Job) -> tuple[str | None, int | None]:
    """What the runs of a schedule are counted under: the job's own limit, else one of the schedule's."""
    key, count = job.limit(definition.arguments)
    if key is None and definition.overlap != "allow":
        return f"schedule:{schedule}", 1
    return key, count
