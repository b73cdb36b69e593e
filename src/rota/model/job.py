"""A job: a named thing to do, and its policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rota.errors import ConfigError, PayloadError
from rota.model import payload
from rota.model.limit import is_of_schedule, key_of_job
from rota.model.parameters import Parameters, parameters_of
from rota.model.policy import DEFAULT_QUEUE, DEFAULT_RETRY, DEFAULT_TIMEOUT
from rota.model.rate import Rate, bucket_of_job
from rota.model.retry import Retry
from rota.shown import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A function under a name, with how it is queued, limited, timed out and retried. Times are seconds."""

    name: str
    function: Callable[..., Any]
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    start_within: float | None = None
    retry: Retry = DEFAULT_RETRY
    timeout: float | None = DEFAULT_TIMEOUT
    executor: str = "thread"
    hard_timeout: float | None = None
    memory: int | None = None
    """Bytes."""
    overlap: str | None = None
    """How a fire meets an earlier run that is not over; ``None`` where the job has no schedule and named none."""
    concurrency: int | None = None
    concurrency_key: Callable[..., str] | None = None
    rate: Rate | None = None
    environments: frozenset[str] | None = None
    destructive: bool = False
    sends: bool = False
    description: str = ""
    parameters: Parameters = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", parameters_of(self.name, self.function))

    @property
    def is_async(self) -> bool:
        return self.parameters.is_async

    @property
    def wants_run(self) -> bool:
        """Whether the function has a parameter ``run``, to be given the ``Run`` of the attempt."""
        return self.parameters.wants_run

    @property
    def accepted(self) -> frozenset[str] | None:
        """The arguments it takes by name; ``None``: any."""
        return self.parameters.accepted

    @property
    def required(self) -> frozenset[str]:
        return self.parameters.required

    @property
    def in_order(self) -> tuple[str, ...]:
        """The arguments that may be given by position."""
        return self.parameters.in_order

    @property
    def code(self) -> str:
        """Which function it is, for people: ``shop.jobs:sync``."""
        function = self.function
        return f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"

    def by_name(self, given: tuple[Any, ...], arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments as they are stored; those ``given`` by position get the names of the function."""
        if not given:
            return arguments
        if len(given) > len(self.in_order):
            taken = counted(len(self.in_order), "argument")
            told = f"job {self.name!r} takes {taken} by position, and was given {len(given)}"
            raise PayloadError(told, hint="The engine gives the parameter `run`: leave it out.")
        named = dict(zip(self.in_order, given, strict=False))
        if twice := sorted(named.keys() & arguments.keys()):
            raise PayloadError(f"job {self.name!r} was given {twice[0]!r} twice", path=twice[0])
        return {**named, **arguments}

    @property
    def names_a_limit(self) -> bool:
        """Rather than that its schedule has it done one at a time."""
        return self.concurrency is not None or self.concurrency_key is not None

    @property
    def limit_count(self) -> int | None:
        """How many of its runs with one key may run at once."""
        one_at_a_time = self.concurrency_key is not None or self.overlap not in {None, "allow"}
        return 1 if self.concurrency is None and one_at_a_time else self.concurrency

    def limit_key(self, arguments: Mapping[str, Any]) -> str | None:
        """The key under which runs with these arguments are counted.

        Raises:
            ConfigError: the job's own function for the key raised.
        """
        if self.limit_count is None:
            return None
        if self.concurrency_key is None:
            return key_of_job(self.name)
        try:
            key = self.concurrency_key(**arguments)
        except Exception as error:
            raise ConfigError(
                f"job {self.name!r}: its concurrency_key cannot be made from {', '.join(arguments) or 'no arguments'}:"
                f" {type(error).__name__}: {error}",
                hint="It is called with the arguments that were given, without the defaults of the job's function.",
            ) from error
        return key_of_job(self.name, payload.key(str(key), "concurrency_key"))

    def keeps_place(self, limit_key: str | None) -> bool:
        """Whether a run that waits for a signal is counted under its limit, so that none begins beside it.

        So it is where runs must not overlap. A limit of concurrency is about work, and who waits does none.
        """
        return limit_key is not None and (is_of_schedule(limit_key) or self.overlap not in {None, "allow"})

    @property
    def is_limited(self) -> bool:
        return self.rate is not None or self.limit_count is not None

    @property
    def bucket(self) -> str | None:
        """The name under which its rate is counted."""
        return bucket_of_job(self.name) if self.rate else None

    def enabled_in(self, environment: str | None) -> bool:
        return environment is None or self.environments is None or environment in self.environments

    def mode_in(self, environment: str | None) -> str | None:
        """In staging, and where the job is off, one that destroys only looks, and one that sends keeps still.

        Where it is off, a person or another job has asked for it all the same.
        """
        if environment != "staging" and self.enabled_in(environment):
            return None
        if self.destructive:
            return "dry_run"
        return "muted" if self.sends else None
