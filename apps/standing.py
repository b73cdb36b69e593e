"""How the jobs of an application stand: what all of their status pages are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rota import Rota
from rota.errors import NotFoundError

UNDER_WAY = "running"
ENDED = ("succeeded", "failed", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Standing:
    """``result``: what the last run that ended came to; ``status`` is its word, ``failed`` where it raised."""

    name: str
    description: str
    enabled: bool
    running: bool
    schedule: str | None
    last_run: datetime | None
    next_run: datetime | None
    status: str | None
    result: dict[str, Any] | None


def standings(rota: Rota, prefix: str) -> Iterator[Standing]:
    """Of each job of an application, in the order of their names."""
    for name in sorted(rota.jobs):
        if name.startswith(f"{prefix}/"):
            yield standing(rota, name)


def standing(rota: Rota, name: str) -> Standing:
    """Raises ``NotFoundError``, which names those that there are."""
    job = rota.jobs.get(name)
    if job is None:
        raise NotFoundError(f"there is no job {name}", hint=f"There are {', '.join(sorted(rota.jobs))}.")
    schedule = next(iter(rota.schedules.page(job=name, limit=1)), None)
    fires = rota.schedules.next_fires(schedule.name, 1) if schedule else []
    last = next(iter(ended(rota, [name], limit=1)), None)
    result = None if last is None or last.result is None else json.loads(last.result)
    return Standing(
        name=name.partition("/")[2],
        description=job.description,
        enabled=bool(fires),
        running=bool(rota.runs.page(job=name, state=UNDER_WAY, limit=1)),
        schedule=None if schedule is None else _spec(json.loads(schedule.definition)["trigger"]),
        last_run=None if last is None else _moment(last.finished_at),
        next_run=fires[0].astimezone(UTC) if fires else None,
        status=_status(last.state, result) if last is not None else None,
        result=result,
    )


def ended(rota: Rota, names: Iterable[str], *, limit: int, states: Iterable[str] = ENDED) -> list[Any]:
    """The runs of these jobs that ended, newest first."""
    runs = [run for name in names for state in states for run in rota.runs.page(job=name, state=state, limit=limit)]
    return sorted(runs, key=lambda run: (run.finished_at or 0, run.id), reverse=True)[:limit]


def _status(state: str, result: Any) -> str:
    """A run that succeeded may have come to less: ``partial``, ``aborted_guard``."""
    if state != "succeeded":
        return state
    return str(result.get("status", "success")) if isinstance(result, dict) else "success"


def _spec(trigger: dict[str, Any]) -> str:
    """The expression of a cron, else what the trigger says."""
    return str(trigger.get("expression") or json.dumps(trigger))


def _moment(us: int | None) -> datetime | None:
    return None if us is None else datetime.fromtimestamp(us / 1_000_000, UTC)


def plain(value: Any) -> Any:
    """As JSON has it: moments in ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def camel(value: Any) -> Any:
    """The same with keys as a web page of old expects them: ``last_run`` is ``lastRun``."""
    if isinstance(value, dict):
        return {_camel(key): camel(each) for key, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def as_dict(standing: Standing) -> dict[str, Any]:
    return dict(plain(asdict(standing)))
