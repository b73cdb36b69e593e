"""The run that a fire makes."""

from __future__ import annotations

from rota.engine.enqueue import Enqueuer, Origin
from rota.model.host import ANY_HOST
from rota.model.job import Job
from rota.model.limit import key_of_schedule
from rota.model.options import Options
from rota.model.run import NewRun
from rota.model.schedule import Definition


def fired_run(
    enqueuer: Enqueuer,
    schedule: str,
    definition: Definition,
    job: Job,
    limit_key: str | None,
    moment: int,
    fire_id: int,
    now: int,
    host: str = ANY_HOST,
) -> NewRun:
    """The run of a fire, for a host or for any, counted under the ``limit_key`` of its schedule."""
    options = Options(
        queue=definition.queue,
        priority=definition.priority,
        start_within=definition.start_within,
        by=f"schedule:{schedule}",
    )
    origin = Origin(
        due_at=moment + definition.jitter_us(schedule, moment, host),
        limit_key=limit_key,
        schedule=schedule,
        fire_id=fire_id,
        fire_due_at=moment,
        host=host,
    )
    return enqueuer.new_run(job, definition.arguments, now, options, origin)


def limit_key(schedule: str, definition: Definition, job: Job, host: str = ANY_HOST) -> str | None:
    """What the runs of a schedule are counted under: the job's own limit, else one of the schedule's, on each host."""
    key = job.limit_key(definition.arguments)
    if key is None:
        return None if definition.overlap == "allow" else key_of_schedule(schedule, host)
    return key if host == ANY_HOST or job.names_a_limit else key_of_schedule(schedule, host)
