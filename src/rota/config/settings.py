"""What can be set, with its default and its limits; how a name in a variable finds its queue or schedule."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    field_validator,
    model_validator,
)

from rota.calendar.expression import Cron, Gap, Overlap
from rota.calendar.zones import zone
from rota.errors import ConfigError
from rota.model import policy
from rota.model.duration import seconds
from rota.model.policy import CatchUp
from rota.model.rate import Rate

_SCHEMES = ("sqlite", "postgresql", "postgres")


def _words(given: object) -> object:
    return [word.strip() for word in given.split(",") if word.strip()] if isinstance(given, str) else given


def _lowered(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


def _seconds(given: object) -> float:
    """As everywhere in Rota; a truth value and what never ends are no durations."""
    usable = isinstance(given, int | float | str) and not isinstance(given, bool)
    try:
        length = seconds(given) if usable else math.nan  # type: ignore[arg-type]
    except ConfigError:
        length = math.nan
    if not math.isfinite(length):
        raise ValueError(f'{given!r} is not a duration; write seconds, or "90s", "15m", "1h30m", "1d"')
    return length


def _checked(given: str | None, read: Callable[[str], object]) -> str | None:
    """The text as it is, if ``read`` can read it; else its complaint and its hint."""
    try:
        if given is not None:
            read(given)
    except ConfigError as error:
        raise ValueError(f"{error}; {error.hint}" if error.hint else str(error)) from None
    return given


Seconds = Annotated[float, BeforeValidator(_seconds)]
PositiveSeconds = Annotated[PositiveFloat, BeforeValidator(_seconds)]
Names = Annotated[list[str], BeforeValidator(_words), Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkerSettings(Section):
    threads: PositiveInt = 16
    """Attempts that one process does at the same time."""

    processes: PositiveInt = 1

    queues: Names = ["*"]
    """The queues worked on; a list in a variable is separated by commas."""

    drain: Seconds = 30
    """How long a stopping node waits for running attempts before it hands them back."""


class LeaseSettings(Section):
    duration: PositiveSeconds = 15
    heartbeat: PositiveSeconds = 5

    @model_validator(mode="after")
    def _one_lost_beat_is_survived(self) -> Self:
        if self.heartbeat * 2 > self.duration:
            raise ValueError("heartbeat must be at most half of duration, or one late beat loses the runs")
        return self


class PollSettings(Section):
    interval: PositiveSeconds = 0.5
    """How often a worker looks for runs when nothing wakes it."""


class KeepSettings(Section):
    runs_days: PositiveInt = 30
    failed_days: PositiveInt = 90
    fires_days: PositiveInt = 400
    events_days: PositiveInt = 90
    counters_days: PositiveInt = 400


class LimitSettings(Section):
    args_bytes: PositiveInt = 262_144
    result_bytes: PositiveInt = 65_536
    log_lines: PositiveInt = 1_000
    log_bytes: PositiveInt = 65_536


class QueueSettings(Section):
    concurrency: PositiveInt | None = None
    """Runs of this queue at the same time on all nodes together."""

    rate: str | None = None
    """Starts in a time: ``100/m``, ``1000/24h``."""

    @field_validator("rate")
    @classmethod
    def _is_rate(cls, rate: str | None) -> str | None:
        return _checked(rate, Rate.parse)


class ScheduleSettings(Section):
    """What a schedule is told instead of what its code says; None leaves the code's word."""

    cron: str | None = None
    every: PositiveSeconds | None = None
    tz: str | None = None
    paused: bool | None = None
    catch_up: CatchUp | None = None
    catch_up_window: PositiveSeconds | None = None
    catch_up_cap: PositiveInt | None = None
    overlap: policy.Overlap | None = None
    gap: Gap | None = None
    dst_overlap: Overlap | None = None
    jitter: Seconds | None = None

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, tz: str | None) -> str | None:
        return _checked(tz, zone)

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, expression: str | None) -> str | None:
        return _checked(expression, Cron)

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        if self.cron is not None and self.every is not None:
            raise ValueError("cron and every exclude each other; keep one")
        return self


class LogSettings(Section):
    format: Annotated[Literal["console", "json"], BeforeValidator(_lowered)] = "console"
    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lowered)] = "info"


class Settings(Section):
    app: str | None = None
    """Where the application is: ``module:attribute``."""

    database: str = Field("sqlite:///.rota/rota.db", repr=False)
    environment: str | None = None
    """The name of this environment; without one, everything runs."""

    worker: WorkerSettings = WorkerSettings()
    lease: LeaseSettings = LeaseSettings()
    poll: PollSettings = PollSettings()
    keep: KeepSettings = KeepSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    queues: dict[str, QueueSettings] = {}
    schedules: dict[str, ScheduleSettings] = {}

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _loose: frozenset[tuple[str, str]] = PrivateAttr(default=frozenset())

    @property
    def origins(self) -> Mapping[str, str]:
        """For each value, as in ``worker.threads``: ``default``, the file or the variable it came from."""
        return self._origins

    def values(self) -> dict[str, Any]:
        """Every value under its dotted name, as in ``worker.threads``."""
        return {".".join(keys): value for keys, value in leaves(self.model_dump())}

    def remember(self, *, origins: Mapping[str, str], loose: frozenset[tuple[str, str]]) -> None:
        """For the loader: where the values came from, and which names were spelled in a variable only."""
        self._origins, self._loose = origins, loose

    def queue(self, name: str) -> QueueSettings:
        return self.queues.get(self._key("queues", name), QueueSettings())

    def schedule(self, name: str) -> ScheduleSettings:
        return self.schedules.get(self._key("schedules", name), ScheduleSettings())

    def _key(self, section: str, name: str) -> str:
        """A name in a file is exact; one from a variable has lost its case and marks."""
        if name not in getattr(self, section) and (section, fold(name)) in self._loose:
            return fold(name)
        return name

    @field_validator("database")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if urlsplit(url).scheme not in _SCHEMES:  # the value is not shown: it may hold a password
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return url


def leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value of nested tables with the keys that lead to it; an empty table is a value."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def fold(name: str) -> str:
    """A name as a variable can spell it: ``shop/sync-prices`` becomes ``shop_sync_prices``."""
    return re.sub(r"[-/]", "_", name).lower()
