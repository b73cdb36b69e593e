"""All that an application says of its jobs, schedules and queues, as the ledger is told it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any, NamedTuple

from rota.model.job import Job
from rota.model.policy import OF_A_JOB
from rota.model.release import NewRelease
from rota.model.schedule import Definition
from rota.model.settings import QueueSettings


class JobRow(NamedTuple):
    name: str
    code: str
    queue: str
    text: str
    """Its policies, as JSON."""


class ScheduleRow(NamedTuple):
    name: str
    text: str
    """Its definition, as JSON."""
    off: int
    """1: its job is off in this environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The word of one version of the code, with the settings it is given."""

    owner: str
    jobs: Mapping[str, Job]
    schedules: Mapping[str, Definition]
    paused: frozenset[str]
    queues: Mapping[str, QueueSettings]
    job_rows: list[JobRow]
    schedule_rows: list[ScheduleRow]
    release: NewRelease

    @classmethod
    def by(
        cls,
        owner: str,
        jobs: Mapping[str, Job],
        schedules: Mapping[str, Definition],
        paused: frozenset[str],
        queues: Mapping[str, QueueSettings],
        environment: str | None,
    ) -> Said:
        job_rows = list(_job_rows(jobs.values()))
        schedule_rows = [
            ScheduleRow(name, each.to_json(), int(not jobs[each.job].enabled_in(environment)))
            for name, each in schedules.items()
        ]
        digest = blake2b(f"{owner}\0{queues}".encode(), digest_size=12)
        for row in (*job_rows, *schedule_rows):
            digest.update(repr(row).encode())
        return cls(
            owner=owner,
            jobs=jobs,
            schedules=schedules,
            paused=paused,
            queues=queues,
            job_rows=job_rows,
            schedule_rows=schedule_rows,
            release=NewRelease.of(digest.hexdigest(), owner, jobs, schedules),
        )


def describe(job: Job) -> dict[str, object]:
    """A job's policies as plain data."""
    policies = {name: each.plain(getattr(job, name)) for name, each in OF_A_JOB.items() if hasattr(job, name)}
    return {"description": job.description, "attempts": job.retry.attempts, **policies, "async": job.is_async}


def _job_rows(jobs: Iterable[Job]) -> Iterable[JobRow]:
    """Jobs of the same policies are described once."""
    texts: dict[tuple[Any, ...], str] = {}
    for job in jobs:
        alike = tuple(each if isinstance(each, _PLAIN) else id(each) for each in _POLICIES(job))
        if alike not in texts:
            texts[alike] = json.dumps(describe(job))
        yield JobRow(job.name, job.code, job.queue, texts[alike])


_PLAIN = (str, int, float, type(None))
_OF_JOB = [name for name in OF_A_JOB if name in Job.__dataclass_fields__]
_POLICIES: Callable[[Job], tuple[Any, ...]] = attrgetter("description", "is_async", *_OF_JOB)
