"""What a decorator says of a job and its schedule, before the job's full name is known."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rota.calendar import Trigger
from rota.errors import ConfigError
from rota.model.duration import Duration, seconds
from rota.model.job import DEFAULT_QUEUE, DEFAULT_TIMEOUT, Job, check_signature
from rota.model.rate import Rate
from rota.model.retry import Retry
from rota.model.schedule import Definition

JobFunction = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The keyword arguments of ``@rota.job``, checked."""

    schedule: Trigger | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    retry: Retry | int = field(default_factory=Retry)
    timeout: Duration | None = DEFAULT_TIMEOUT
    overlap: str | None = None
    catch_up: str = "latest"
    catch_up_window: Duration | None = None
    catch_up_cap: int = 100
    jitter: Duration = 0
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    concurrency: int | None = None
    concurrency_key: Callable[..., str] | None = None
    rate: str | Rate | None = None
    environments: Iterable[str] | None = None
    destructive: bool = False
    sends: bool = False

    def job(self, name: str, function: JobFunction) -> Job:
        """Raises ``ConfigError`` for what cannot be meant."""
        check_signature(name, function)
        job = Job(
            name=name,
            function=function,
            queue=self.queue,
            priority=self.priority,
            retry=Retry(attempts=self.retry) if isinstance(self.retry, int) else self.retry,
            timeout=None if self.timeout is None else seconds(self.timeout),
            overlap=self.overlap or ("skip" if self.schedule is not None else None),
            concurrency=self.concurrency,
            concurrency_key=self.concurrency_key,
            rate=Rate.parse(self.rate) if isinstance(self.rate, str) else self.rate,
            environments=None if self.environments is None else frozenset(self.environments),
            destructive=self.destructive,
            sends=self.sends,
            description=_first_line(function),
        )
        if (job.destructive or job.sends) and not job.wants_run:
            what, look = ("destructive", "run.dry_run") if job.destructive else ("a sender", "run.muted")
            raise ConfigError(
                f"job {name!r} is {what}, and its body takes no run: it would do so in staging as well",
                hint=f"Give it a parameter `run: Run`, and look at {look}.",
            )
        return job

    def definition(self, job: str) -> Definition | None:
        """The schedule of the job's own, or ``None`` if it has none."""
        if self.schedule is None:
            return None
        return Definition(
            job=job,
            trigger=self.schedule,
            arguments=dict(self.arguments),
            catch_up=self.catch_up,
            catch_up_window=None if self.catch_up_window is None else seconds(self.catch_up_window),
            catch_up_cap=self.catch_up_cap,
            overlap=self.overlap or "skip",
            jitter=seconds(self.jitter),
        )


def _first_line(function: JobFunction) -> str:
    return (inspect.getdoc(function) or "").split("\n")[0]
