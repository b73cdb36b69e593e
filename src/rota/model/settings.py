"""Settings: what one start of Rota is told. Each stands once here, with its default.

A field's place in the files is its own name below that of its section, unless it names another, as `"worker.threads"`;
with the place `""` it is no setting of the files. ``rota.config`` reads and checks; what is made in code is taken as it
stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from socket import gethostname
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from annotated_types import Gt, MinLen

from rota.calendar.expression import Cron, Gap, Overlap
from rota.calendar.zones import zone
from rota.errors import ConfigError
from rota.model.duration import seconds
from rota.model.policy import COUNT, LENGTH, MOMENT, OF_A_SCHEDULE, Also, read_name
from rota.model.rate import Rate
from rota.model.size import size_in_bytes

SCHEMES = ("sqlite", "postgresql", "postgres")
Class = TypeVar("Class")


@dataclass(frozen=True, slots=True)
class Read:
    """Reads a value before its type is looked at. Raises ``ValueError`` for what it cannot read."""

    read: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema  # slow to import: only where settings are read

        return core_schema.no_info_before_validator_function(self.read, handler(source))


def _seconds(given: Any) -> float:
    """As everywhere in Rota; a truth value is no duration."""
    try:
        return seconds("" if isinstance(given, bool) else given)
    except ConfigError:
        raise ValueError(f'{given!r} is not a duration; write seconds, or "90s", "15m", "1h30m", "1d"') from None


def _size(given: Any) -> int:
    try:
        return size_in_bytes("" if isinstance(given, bool) else given)
    except ConfigError as error:
        raise ValueError(error.line) from None


def _words(given: Any) -> Any:
    return [word.strip() for word in given.split(",") if word.strip()] if isinstance(given, str) else given


def _lowered(given: Any) -> Any:
    return given.lower() if isinstance(given, str) else given


def _url(given: Any) -> Any:
    if isinstance(given, str) and urlsplit(given).scheme not in SCHEMES:
        raise ValueError("must begin with sqlite:/// or postgresql://")  # and not what it is: it may hold a password
    return given


def _readable(read: Callable[[str], object]) -> Read:
    """For text that stays as it is, if ``read`` can read it; else its complaint and its hint are told."""

    def look(given: Any) -> Any:
        try:
            if isinstance(given, str):
                read(given)
        except ConfigError as error:
            raise ValueError(error.line) from None
        return given

    return Read(look)


def _moment(given: Any) -> Any:
    """A variable has text, a file of TOML a moment of its own."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise ValueError("is no moment; write 2026-12-01T00:00:00+01:00") from None
    if not isinstance(given, datetime) or given.tzinfo is None:  # a bare day has none either
        raise ValueError("names no moment with its zone; write 2026-12-01T00:00:00+01:00")
    return given


Positive = Annotated[int, Gt(0)]
Moment = Annotated[datetime, Read(_moment)]
Seconds = Annotated[float, Read(_seconds)]
PositiveSeconds = Annotated[float, Read(_seconds), Gt(0)]
Names = Annotated[tuple[str, ...], Read(_words), MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    url: Annotated[str, Read(_url)] = field(default="sqlite:///.rota/rota.db", repr=False)
    schema: str | None = None
    """Of PostgreSQL: where the tables are, if not where the search path leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """How a node works. Times are seconds, sizes bytes."""

    host: Annotated[str | None, _readable(partial(read_name, "host")), "host"] = None
    """What runs of ``each="host"`` are kept for; ``None``: as the machine calls itself."""
    threads: Annotated[Positive, "worker.threads"] = 16
    """Attempts at one time, on threads (``def``) and on the event loop (``async def``) together."""
    slots: Annotated[Positive, "worker.slots"] = 2
    """Attempts at one time in processes of their own (``executor="process"``); started when first needed."""
    queues: Annotated[Names, "worker.queues"] = ("*",)
    drain: Annotated[Seconds, "worker.drain"] = 30.0
    """How long a stopping node waits for running attempts before it hands them back."""
    recycle_after: Annotated[Positive | None, "worker.recycle_after"] = None
    """A process that has done so many runs, a tenth more or less, ends, and another begins in its place."""
    recycle_memory: Annotated[int | None, Read(_size), "worker.recycle_memory"] = None
    """A process that takes more memory does so, too."""
    lease: Annotated[PositiveSeconds, "lease.duration"] = 15.0
    heartbeat: Annotated[PositiveSeconds, "lease.heartbeat"] = 5.0
    poll: Annotated[PositiveSeconds, "poll.interval"] = 0.5
    """How often a worker looks for runs when nothing wakes it."""
    linger: Annotated[float, ""] = 0.002
    """How long results are gathered before they are committed together."""
    schedules: Annotated[bool, ""] = True
    work: Annotated[bool, ""] = True
    runs_days: Annotated[Positive, "keep.runs_days"] = 30
    failed_days: Annotated[Positive, "keep.failed_days"] = 90
    fires_days: Annotated[Positive, "keep.fires_days"] = 400
    events_days: Annotated[Positive, "keep.events_days"] = 90
    counters_days: Annotated[Positive, "keep.counters_days"] = 400
    result_bytes: Annotated[Positive, "limits.result_bytes"] = 65_536
    log_lines: Annotated[Positive, "limits.log_lines"] = 1_000
    log_bytes: Annotated[Positive, "limits.log_bytes"] = 65_536

    @property
    def host_name(self) -> str:
        return self.host or gethostname()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    concurrency: Positive | None = None
    """Runs of this queue at the same time on all nodes together."""
    rate: Annotated[str | None, _readable(Rate.parse)] = None
    """Starts in a time: ``100/m``, ``1000/24h``."""


def _with_policies(cls: type[Class]) -> type[Class]:
    """A field for each policy that the settings may give; ``None`` is not given."""
    forms = {LENGTH: Seconds, COUNT: Positive, MOMENT: Moment}
    for name, policy in OF_A_SCHEDULE.items():
        if Also.SETTINGS in policy.also:
            cls.__annotations__[name] = forms.get(policy.kind, policy.type) | None
            setattr(cls, name, None)
    return cls


@dataclass(frozen=True, slots=True, kw_only=True)
@_with_policies
class ScheduleSettings:
    """What a schedule is told instead of what its code says; None leaves the code's word."""

    cron: Annotated[str | None, _readable(Cron)] = None
    every: PositiveSeconds | None = None
    tz: Annotated[str | None, _readable(zone)] = None
    paused: bool | None = None
    gap: Gap | None = None
    dst_overlap: Overlap | None = None

    def __post_init__(self) -> None:
        if self.cron is not None and self.every is not None:
            raise ValueError("cron and every exclude each other; keep one")

    def policies(self) -> dict[str, Any]:
        """Those that are given."""
        given = {name: getattr(self, name, None) for name in OF_A_SCHEDULE}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    format: Annotated[Literal["console", "json"], Read(_lowered)] = "console"
    level: Annotated[Literal["debug", "info", "warning", "error"], Read(_lowered)] = "info"
    masked: Annotated[tuple[str, ...], Read(_words)] = ()
    """Arguments whose names have one of these words in them are not shown, beside those of ``model/secret.py``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    app: str | None = None
    """Where the application is: ``module:attribute``."""
    database: DatabaseSettings = DatabaseSettings()
    environment: str | None = None
    """The name of this environment; without one, everything runs."""
    processes: Annotated[Positive, "worker.processes"] = 1
    node: NodeSettings = NodeSettings()
    args_bytes: Annotated[Positive, "limits.args_bytes"] = 262_144
    ageing: Annotated[PositiveSeconds, "priority.ageing"] = 86_400.0
    """How long a run waits until it counts as one step of priority more urgent."""
    log: LogSettings = LogSettings()
    queues: Mapping[str, QueueSettings] = field(default_factory=dict)
    schedules: Mapping[str, ScheduleSettings] = field(default_factory=dict)
    origins: Annotated[Mapping[str, str], ""] = field(default_factory=dict, compare=False, repr=False)
    """Where a value comes from, by its place in the files: a file, a variable, ``code``; else the default."""
    loose: Annotated[frozenset[tuple[str, str]], ""] = field(default=frozenset(), compare=False, repr=False)
    """Sections and names of queues and schedules that only variables name: case and marks are lost."""

    def in_code(self, *, url: str | None = None, schema: str | None = None, environment: str | None = None) -> Settings:
        """With what the code gives over them."""
        given = {"database.url": url, "database.schema": schema, "environment": environment}
        origins = {name: "code" for name, value in given.items() if value is not None}
        database = DatabaseSettings(url=url or self.database.url, schema=schema or self.database.schema)
        return replace(
            self,
            database=database,
            environment=environment or self.environment,
            origins={**self.origins, **origins},
        )

    def schedule(self, name: str) -> ScheduleSettings:
        return self.schedules.get(self._key("schedules", name)) or ScheduleSettings()

    def queue(self, name: str) -> QueueSettings:
        return self.queues.get(self._key("queues", name)) or QueueSettings()

    def _key(self, section: str, name: str) -> str:
        """A name in a file is exact; one from a variable has lost its case and marks."""
        if name not in getattr(self, section) and (section, fold(name)) in self.loose:
            return fold(name)
        return name


def fold(name: str) -> str:
    """A name as a variable can spell it: ``shop/sync-prices`` becomes ``shop_sync_prices``."""
    return re.sub(r"[-/]", "_", name).lower()
