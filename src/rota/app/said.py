"""All that an application says of its jobs, schedules and queues, as the ledger is told it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
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
    limit_count: int | None
    """How many of its runs under one key may run at once."""


class ScheduleRow(NamedTuple):
    name: str
    text: str
    """Its definition, as JSON."""
    off: int
    """1: its job is off in this environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The word of one version of the code, with the settings it is given. Its rows are made when they are needed."""

    owner: str
    jobs: Mapping[str, Job]
    schedules: Mapping[str, Definition]
    off: frozenset[str]
    """The schedules whose job is off in this environment."""
    paused: frozenset[str]
    queues: Mapping[str, QueueSettings]

    def release(self) -> NewRelease:
        """Two processes that say the same are of one release."""
        digest = blake2b(f"{self.owner}\0{self.queues}".encode(), digest_size=12)
        for row in self.job_rows():
            digest.update("\0".join((*map(str, row), "")).encode())  # none of them has a NUL in it
        for told in self._schedules_told():
            digest.update(told.encode())
        return NewRelease.of(digest.hexdigest(), self.owner, self.jobs, self.schedules)

    def _schedules_told(self) -> Iterator[str]:
        """Those in a row that differ in name, job and trigger alone have the rest told once."""
        last, rest = None, ""
        for name, each in self.schedules.items():
            alike = _OF_DEFINITION(each)
            if alike != last:
                last, rest = alike, repr(alike)
            yield f"{name}\0{each.job}\0{name in self.off}\0{each.trigger.to_data()}\0{rest}\0"

    def job_rows(self) -> Iterator[JobRow]:
        """Jobs of the same policies are described once."""
        texts: dict[tuple[Any, ...], str] = {}
        last: tuple[Any, ...] | None = None
        text = ""
        for job in self.jobs.values():
            alike = _POLICIES(job)
            if alike != last:  # which looks at what is the same object in both no closer, and takes no hashes
                last, text = alike, _described(job, alike, texts)
            yield JobRow(job.name, job.code, job.queue, text, job.limit_count)

    def schedule_rows(self) -> Iterator[ScheduleRow]:
        for name, each in self.schedules.items():
            yield ScheduleRow(name, each.to_json(), int(name in self.off))


def describe(job: Job) -> dict[str, object]:
    """A job's policies as plain data."""
    policies = {name: each.plain(getattr(job, name)) for name, each in OF_A_JOB.items() if hasattr(job, name)}
    return {"description": job.description, "attempts": job.retry.attempts, **policies, "async": job.is_async}


def _described(job: Job, alike: tuple[Any, ...], texts: dict[tuple[Any, ...], str]) -> str:
    try:
        text = texts.get(alike)
    except TypeError:  # something in it cannot be hashed, as a list of delays
        return json.dumps(describe(job))
    if text is None:
        text = texts[alike] = json.dumps(describe(job))
    return text


_OF_JOB = [name for name in OF_A_JOB if name in Job.__dataclass_fields__]
_POLICIES: Callable[[Job], tuple[Any, ...]] = attrgetter("description", "is_async", *_OF_JOB)
_OF_DEFINITION: Callable[[Definition], tuple[Any, ...]] = attrgetter(
    *(name for name in Definition.__dataclass_fields__ if name not in {"job", "trigger"})
)
