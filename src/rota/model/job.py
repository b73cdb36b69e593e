"""A job: a named thing to do, and its policies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rota.errors import ConfigError, PayloadError
from rota.model import payload
from rota.model.policy import DEFAULT_QUEUE, DEFAULT_TIMEOUT
from rota.model.rate import Rate
from rota.model.retry import Retry
from rota.shown import counted


@dataclass(frozen=True, kw_only=True)
class Job:
    """A function under a name, with how it is queued, limited, timed out and retried. Times are seconds."""

    name: str
    function: Callable[..., Any]
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    retry: Retry = field(default_factory=Retry)
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
    is_async: bool = field(init=False)
    wants_run: bool = field(init=False)
    """Whether the function has a parameter ``run``, to be given the ``Run`` of the attempt."""
    accepted: frozenset[str] | None = field(init=False)
    """The arguments it takes by name; ``None``: any."""
    required: frozenset[str] = field(init=False)
    in_order: tuple[str, ...] = field(init=False)
    """The arguments that may be given by position."""

    def __post_init__(self) -> None:
        parameters = dict(inspect.signature(self.function).parameters)
        open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        named = {name: each for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD}
        wants_run = named.pop("run", None) is not None
        set_once = partial(object.__setattr__, self)
        set_once("is_async", inspect.iscoroutinefunction(self.function))
        set_once("wants_run", wants_run)
        set_once("accepted", None if open_ended else frozenset(named))
        set_once("in_order", tuple(name for name, each in named.items() if each.kind is each.POSITIONAL_OR_KEYWORD))
        set_once("required", frozenset(name for name, each in named.items() if each.default is each.empty))

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

    def limit(self, arguments: Mapping[str, Any]) -> tuple[str | None, int | None]:
        """The key under which runs with these arguments are counted, and how many of them may run at once.

        Raises:
            ConfigError: the job's own function for the key raised.
        """
        count = self.concurrency
        if count is None and (self.concurrency_key is not None or self.overlap not in {None, "allow"}):
            count = 1
        if count is None:
            return None, None
        if self.concurrency_key is None:
            return f"job:{self.name}", count
        try:
            key = self.concurrency_key(**arguments)
        except Exception as error:
            raise ConfigError(
                f"job {self.name!r}: its concurrency_key cannot be made from {', '.join(arguments) or 'no arguments'}:"
                f" {type(error).__name__}: {error}",
                hint="It is called with the arguments that were given, without the defaults of the job's function.",
            ) from error
        return f"job:{self.name}:{payload.key(str(key), 'concurrency_key')}", count

    @property
    def rate_key(self) -> str | None:
        return f"job:{self.name}" if self.rate else None

    def enabled_in(self, environment: str | None) -> bool:
        return environment is None or self.environments is None or environment in self.environments

    def mode_in(self, environment: str | None) -> str | None:
        """In staging a destructive job only looks, and a job that sends keeps still."""
        if environment != "staging":
            return None
        if self.destructive:
            return "dry_run"
        return "muted" if self.sends else None


def check_signature(name: str, function: Callable[..., Any]) -> None:
    """Refuse a function whose parameters could not be given by ``enqueue``, or whose call would not run its body."""
    if inspect.isclass(function):
        raise ConfigError(f"job {name!r} is a class", hint="Write a function that uses it.")
    if next(iter(inspect.signature(function).parameters), "") in {"self", "cls"}:
        raise ConfigError(
            f"job {name!r} is a method, and there would be nothing to call it on",
            hint="Write a function outside of its class, which makes or finds the object.",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"job {name!r} is a generator: calling it would do nothing",
            hint="Drop the yield, or loop over it in a job.",
        )
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            raise ConfigError(
                f"job {name!r}: parameter {parameter.name!r} cannot be given by name",
                hint="Arguments of a run are stored by name: drop the / or the *.",
            )
