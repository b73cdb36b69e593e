"""What became of one attempt, as a value: the body of a job may return one, and the engine decides by it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from rota.errors import ConfigError
from rota.model.duration import Duration, seconds
from rota.model.payload import storable
from rota.model.suggestion import suggestion
from rota.shown import shown

Status = Literal["success", "partial", "failed", "skipped", "aborted_guard", "dry_run"]
ERRORS_KEPT = 20
_FIELDS = {"status": str, "message": str, "counts": dict, "details": dict, "warnings": list, "errors": list,
           "error_count": int}  # fmt: skip


# A body may give what it likes. It is made storable, or refused, where the body can see it: not when its run is ended.
_set = object.__setattr__


def _words(given: object) -> str:
    try:
        return storable(str(given))
    except Exception:  # noqa: BLE001 - somebody else's object
        return shown(given)


def _length(duration: Duration) -> timedelta:
    return timedelta(seconds=seconds(duration))


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work is done; ``value`` is kept with the run, up to the result cap."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The work is not done. ``retry_after`` overrules the job's own delay; ``permanent`` forbids another attempt."""

    error: str
    retry_after: timedelta | None = None
    permanent: bool = False

    def __post_init__(self) -> None:
        _set(self, "error", _words(self.error))
        if self.retry_after is not None:
            _set(self, "retry_after", _length(self.retry_after))


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Not now: run again after ``delay``. Counts neither as a failure nor as an attempt used up."""

    delay: timedelta
    reason: str = ""

    def __post_init__(self) -> None:
        _set(self, "delay", _length(self.delay))
        _set(self, "reason", _words(self.reason))


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The work was given up on purpose."""

    reason: str = ""

    def __post_init__(self) -> None:
        _set(self, "reason", _words(self.reason))


Outcome = Succeeded | Failed | Snoozed | Cancelled


@dataclass(slots=True, kw_only=True)
class JobResult:
    """The report of a job that works through items, the same for every application and recipe.

    ``partial`` means that at least one item failed and at least one succeeded; ``failed``, that every item did;
    ``aborted_guard``, that a safety limit stopped it before any further change. A ``failed`` result makes the run fail
    (and be retried as its job says); all others make it succeed. ``errors`` holds the first 20 only, ``error_count``
    counts all of them. With ``again_in`` it is not over yet: the run is snoozed for so long, its report so far kept.
    """

    status: Status = "success"
    message: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    error_count: int = 0
    period: tuple[datetime, datetime] | None = None
    again_in: timedelta | None = None

    def __post_init__(self) -> None:
        """Checked where it is made: its body can still be seen there."""
        for name, kind in _FIELDS.items():
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(f"JobResult: {name}={shown(getattr(self, name))} is no {kind.__name__}")
        self.again_in = None if self.again_in is None else _length(self.again_in)
        if self.status not in get_args(Status):
            raise ConfigError(f"JobResult: there is no status {shown(self.status)}",
                              hint=suggestion(self.status, get_args(Status)))  # fmt: skip

    def add_error(self, item: object, kind: str, message: str) -> None:
        self.error_count += 1
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append({"item": str(item), "kind": kind, "message": message})

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: the period as two ISO moments, half open."""
        data = asdict(self)
        del data["again_in"]
        if self.again_in is not None:
            data["again_in"] = self.again_in.total_seconds()
        if self.period is not None:
            data["period"] = {"start": self.period[0].isoformat(), "end": self.period[1].isoformat()}
        return data
