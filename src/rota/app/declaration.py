"""What a decorator says of a job and its schedule, before the job's full name is known."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from rota.errors import ConfigError
from rota.model.job import Job
from rota.model.policy import DEFAULT_TIMEOUT, OF_A_JOB, read_policies
from rota.model.schedule import Definition

JobFunction = Callable[..., Any]
_OF_JOB = {each.name for each in fields(Job)} & OF_A_JOB.keys() - {"overlap"}
_OF_SCHEDULE = {each.name for each in fields(Definition)} & OF_A_JOB.keys() - _OF_JOB


@dataclass(frozen=True, slots=True)
class Declaration:
    """The keyword arguments of ``@rota.job``, read."""

    policies: Mapping[str, Any]

    @classmethod
    def read(cls, policies: Mapping[str, Any]) -> Declaration:
        """Raises ``ConfigError`` for what is no policy, or cannot be meant."""
        return cls(read_policies("job", OF_A_JOB, policies))

    def job(self, name: str, function: JobFunction) -> Job:
        """Raises ``ConfigError`` for what cannot be meant of this function."""
        self._refuse_what_does_nothing(name)
        job = Job(
            name=name,
            function=function,
            description=_description(function),
            overlap=self.policies.get("overlap", "skip" if self.policies.get("schedule") else None),
            **_said_by(function) | self._bounded(self._those(_OF_JOB)),
        )
        _check_process(job)
        if (job.destructive or job.sends) and not job.wants_run:
            what, look = ("destructive", "run.dry_run") if job.destructive else ("a sender", "run.muted")
            raise ConfigError(
                f"job {name!r} is {what}, and its body takes no run: it would do so in staging as well",
                hint=f"Give it a parameter `run: Run`, and look at {look}.",
            )
        return job

    def _refuse_what_does_nothing(self, name: str) -> None:
        if "schedule" in self.policies:  # None says that it has one, and that it is off
            return
        idle = [key for key in sorted(_OF_SCHEDULE - {"overlap"}) if self.policies.get(key)]
        if idle:
            raise ConfigError(
                f"job {name!r}: {idle[0]}= is of its schedule, and it has none",
                hint="Give schedule= too, or give it where one is made: rota.schedules.add(…).",
            )

    def definition(self, job: str) -> Definition | None:
        """The schedule of the job's own, or ``None`` if it has none."""
        if self.policies.get("schedule") is None:
            return None
        return Definition(job=job, trigger=self.policies["schedule"], **self._those(_OF_SCHEDULE))

    @staticmethod
    def _bounded(policies: dict[str, Any]) -> dict[str, Any]:
        """Who gives ``hard_timeout`` alone has not said that its body may be told to stop later than that."""
        hard = policies.get("hard_timeout")
        if hard is None or "timeout" in policies:
            return policies
        return {**policies, "timeout": min(DEFAULT_TIMEOUT, hard)}

    def _those(self, names: set[str]) -> dict[str, Any]:
        return {name: value for name, value in self.policies.items() if name in names}


def _check_process(job: Job) -> None:
    """Only a process of its own can be killed, and its memory told from others'."""
    given = [name for name in ("hard_timeout", "memory") if getattr(job, name) is not None]
    if given and job.executor != "process":
        raise ConfigError(
            f"job {job.name!r} has {given[0]}=, and is done on a thread, which nobody can stop from outside",
            hint=f'Write executor="process", {given[0]}=….',
        )
    if job.hard_timeout is not None and job.timeout is not None and job.hard_timeout < job.timeout:
        raise ConfigError(
            f"job {job.name!r} is killed after {job.hard_timeout:g} s, before it is told to stop at {job.timeout:g} s",
            hint="Give a timeout that is shorter than hard_timeout, or none at all.",
        )


def _said_by(function: JobFunction) -> dict[str, bool]:
    """What a body says of itself, as recipes do: whether it destroys, whether it sends."""
    return {name: True for name in ("destructive", "sends") if getattr(function, name, False) is True}


def _description(function: JobFunction) -> str:
    """Its own word for what it does, or the first line of its docstring."""
    if isinstance(own := getattr(function, "description", None), str):
        return own
    return inspect.cleandoc(function.__doc__).split("\n")[0] if function.__doc__ else ""
