"""What the user holds: a job that is still a plain function, and the options that one of its calls is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

from rota.errors import ConfigError
from rota.model.job import Job
from rota.model.options import PLAIN, Options
from rota.model.policy import CallOptions

if TYPE_CHECKING:
    from rota.app.requests import Requests
    from rota.app.run_handle import RunHandle
    from rota.engine.enqueue import RunIds

P = ParamSpec("P")
"""What a caller gives: the parameters of the job's function, without the run that the engine gives."""
F = ParamSpec("F")
"""The parameters of the job's function."""
R = TypeVar("R")


class Caller:
    """Asks for runs of jobs by their names, with the options it was given. No argument's name is taken."""

    def __init__(self, requests: Requests, options: Options = PLAIN) -> None:
        self._requests = requests
        self._options = options

    def options(self, **options: Unpack[CallOptions]) -> Caller:
        """The same with options, for one call or more. Raises ``ConfigError`` for what cannot be meant."""
        return Caller(self._requests, self._options.changed(options))

    def enqueue(self, job: str, /, **arguments: Any) -> RunHandle:
        """Ask for a run of a job by its name; as ``JobHandle.enqueue``."""
        return self._requests.enqueue(job, (), arguments, self._options)

    def enqueue_many(self, job: str, items: Iterable[Mapping[str, Any]], /) -> RunIds:
        """As ``JobHandle.enqueue_many``, by the job's name."""
        return self._requests.enqueue_many(job, items, self._options)

    def trigger(self, job: str, /, **arguments: Any) -> RunHandle:
        """Run a job now, by hand: audited, under the same limits as its scheduled runs, using up no due moment.

        A job that is off in this environment needs ``options(force_disabled=True)``.
        """
        return self._requests.trigger(job, (), arguments, self._options)


class JobCall(Generic[P]):
    """A job with the options that its calls are given: ``mail.options(key="welcome:17")``."""

    def __init__(self, job: JobHandle[P, Any, Any], options: Options) -> None:
        self._job = job
        self._options = options

    def options(self, **options: Unpack[CallOptions]) -> JobCall[P]:
        """The same with options, over those it has. Raises ``ConfigError`` for what cannot be meant.

        ``at`` or ``delay`` put the run off. With a ``key``, nothing is added while a run of this job with that key
        waits or runs: the handle is then that run's, and its ``new`` is False. ``debounce`` with a ``key`` starts a run
        that long after the last call, with that call's arguments. A ``connection`` (a SQLAlchemy Session or Connection,
        a psycopg or sqlite3 connection, to the store's database) makes the run part of the caller's transaction: rolled
        back, it never was. ``queue``, ``priority`` and ``start_within`` stand over the job's, ``dry_run`` tells the
        body to change nothing, ``by`` names who asks, and ``wait`` returns when the run is over.
        """
        return JobCall(self._job, self._options.changed(options))

    def enqueue(self, /, *given: P.args, **arguments: P.kwargs) -> RunHandle:
        """Ask for a run.

        Raises:
            PayloadError: an argument is misspelt, missing, or cannot be stored.
        """
        return self._job.requests.enqueue(self._job.name, given, arguments, self._options)

    def enqueue_many(self, items: Iterable[Mapping[str, Any]], /) -> RunIds:
        """Ask for a run with each set of arguments, all in one transaction; returns their ids in order.

        With ``options(key=lambda to: f"welcome:{to}")`` each has a key of its own: where a run with that key waits or
        runs already, its id stands in its place. ``new`` of what is returned has the ids of those that were made.
        """
        return self._job.requests.enqueue_many(self._job.name, items, self._options)

    def trigger(self, /, *given: P.args, **arguments: P.kwargs) -> RunHandle:
        """Run it now, by hand; as ``rota.trigger``."""
        return self._job.requests.trigger(self._job.name, given, arguments, self._options)


class JobHandle(JobCall[P], Generic[P, R, F]):
    """A job: call it like the function it is, or enqueue it."""

    def __init__(self, function: Callable[F, R], short_name: str) -> None:
        self._options = PLAIN
        self.function = function
        self.short_name = short_name
        self._belongs: tuple[Requests, str] | None = None
        self.__wrapped__ = function
        self.__module__ = getattr(function, "__module__", self.__module__)
        self.__doc__ = getattr(function, "__doc__", None)

    @property
    def _job(self) -> JobHandle[P, R, F]:  # type: ignore[override]  # one that held itself would be a cycle
        return self

    def __getattr__(self, name: str) -> Any:
        """What else the function has, its name too; to copy it would cost each function a dictionary or two."""
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def __call__(self, /, *args: F.args, **kwargs: F.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self._belongs[1] if self._belongs else self.short_name}>"

    @property
    def name(self) -> str:
        """The full name, with its blueprint's prefix."""
        return self._bound()[1]

    @property
    def requests(self) -> Requests:
        """Those of the application that it belongs to."""
        return self._bound()[0]

    def bind(self, requests: Requests, name: str) -> None:
        if self._belongs is not None and self._belongs[0] is not requests:
            raise ConfigError(f"job {name!r} belongs to another Rota already", hint="Include a blueprint once only.")
        self._belongs = requests, name

    def _bound(self) -> tuple[Requests, str]:
        if self._belongs is None:
            raise ConfigError(
                f"job {self.short_name!r} belongs to no Rota yet",
                hint="Include its blueprint first: rota.include(blueprint).",
            )
        return self._belongs


class Handles(Mapping[str, JobHandle[Any, Any, Any]]):
    """The jobs of an application by their names, as a caller holds them: made when they are asked for."""

    def __init__(self, jobs: Mapping[str, Job], requests: Requests) -> None:
        self._jobs = jobs
        self._requests = requests

    def __getitem__(self, name: str) -> JobHandle[Any, Any, Any]:
        handle: JobHandle[Any, Any, Any] = JobHandle(self._jobs[name].function, name)
        handle.bind(self._requests, name)
        return handle

    def __iter__(self) -> Iterator[str]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)
