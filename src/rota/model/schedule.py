"""A schedule: when a job is due, and what happens when that could not be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from rota.calendar import Trigger
from rota.calendar.trigger import Bounded, data_of_moment
from rota.clock import to_us
from rota.errors import ConfigError
from rota.model import payload
from rota.model.host import ANY_HOST
from rota.model.policy import OF_A_SCHEDULE

DAY = 86400.0
_NO_ARGUMENTS: Mapping[str, Any] = {}
"""One for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a schedule says: kept as JSON, in code, configuration or made at run time alike. Times are seconds."""

    job: str
    trigger: Trigger
    arguments: Mapping[str, Any] = field(default_factory=lambda: _NO_ARGUMENTS)
    catch_up: str = OF_A_SCHEDULE["catch_up"].default
    catch_up_window: float | None = None
    """How late a due moment may still be made up for; ``None``: a day, or one period if that is longer."""
    catch_up_cap: int = OF_A_SCHEDULE["catch_up_cap"].default
    overlap: str = OF_A_SCHEDULE["overlap"].default
    each: str | None = None
    """``host``: a fire makes a run for every living host, kept for it."""
    jitter: float = 0.0
    queue: str | None = None
    priority: int | None = None
    start_within: float | None = None
    starts: datetime | None = None
    ends: datetime | None = None

    def __post_init__(self) -> None:
        if self.starts is not None and self.ends is not None and self.ends < self.starts:
            raise ConfigError(f"the schedule ends at {self.ends}, before it starts at {self.starts}")

    @property
    def due(self) -> Trigger:
        """The trigger from the start of the schedule to its end."""
        if self.starts is None and self.ends is None:
            return self.trigger
        first, last = (None if each is None else to_us(each) for each in (self.starts, self.ends))
        return Bounded(self.trigger, first, last)

    def to_json(self) -> str:
        data: dict[str, Any] = dict(zip(_FIELDS, _VALUES(self), strict=True))
        data["trigger"] = self.trigger.to_data()
        for name in _BOUNDS:
            if data[name] is not None:
                data[name] = data_of_moment(data[name])
        return _JSON.encode(data)

    @staticmethod
    @lru_cache(maxsize=16_384)
    def from_json(text: str) -> Definition:
        """Read once: a schedule is looked at often, and changed seldom."""
        from rota.calendar import trigger_from_data  # with all kinds of triggers: slow, and code names its own

        data = payload.load(text)
        if not data.keys() <= _KNOWN:  # a newer version may know more
            data = {name: value for name, value in data.items() if name in _KNOWN}
        for name in _BOUNDS:
            if data.get(name) is not None:
                data[name] = datetime.fromisoformat(data[name])
        data["trigger"] = trigger_from_data(data["trigger"])
        return Definition(**data)

    def jitter_us(self, schedule: str, due_at_us: int, host: str = ANY_HOST) -> int:
        """A shift inside the window, always the same for one moment of one schedule (and host), on every node."""
        if not self.jitter:
            return 0
        from hashlib import blake2b  # slow, and few schedules are spread

        of_host = "" if host == ANY_HOST else f"\0{host}"
        digest = blake2b(f"{schedule}\0{due_at_us}{of_host}".encode(), digest_size=8).digest()
        return int(int.from_bytes(digest, "big") / 2**64 * self.jitter * 1_000_000)


_BOUNDS = ("starts", "ends")
_FIELDS = tuple(each.name for each in fields(Definition))
_KNOWN = frozenset(_FIELDS)
_VALUES = attrgetter(*_FIELDS)
_JSON = json.JSONEncoder(sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule about to be written down, due from ``watermark`` on; moments are microseconds of UTC."""

    name: str
    job: str
    definition: str
    declared: str | None
    """What the code says; ``None`` where a person made it."""
    owner: str
    watermark: int
    next_due_at: int | None
    created_at: int
    edited_at: int | None = None
    edited_by: str | None = None


class DueSchedule(NamedTuple):
    """A schedule that is due: judged up to ``watermark``."""

    name: str
    job: str
    definition: str
    watermark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """A schedule as the ledger holds it; moments are microseconds of UTC."""

    name: str
    job: str
    definition: str
    declared: str | None
    owner: str
    watermark: int
    next_due_at: int | None
    created_at: int
    edited_at: int | None
    edited_by: str | None
    paused_at: int | None
    paused_by: str | None
    paused_why: str | None
    aside_until: int | None
    """Set aside: it is looked at again then; ``aside_why`` is what the database refused."""
    aside_why: str | None
    removed_at: int | None
