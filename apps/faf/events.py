"""What Form-a-Friend's other programs hear of its jobs: Rota's events in the words that they know."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apps.around import Around
from apps.faf.health import MEGABYTE, PREFIX, resident_bytes
from apps.faf.settings import Settings

if TYPE_CHECKING:
    from rota import Event, JobResult, Rota, Run

STARTED, HIGH_MEMORY = "faf.job_started", "faf.high_memory_usage"
COMPLETED = {
    "monthly-invitations": "monthly-job-completed",
    "reminders": "reminder-job-completed",
    "cleanup": "cleanup-job-completed",
}
BY_BODIES = {
    STARTED: "job-started",
    HIGH_MEMORY: "high-memory-usage",
    "faf.health.alerts": "alerts-triggered",
    "faf.health.completed": "health-check-completed",
}
Tell = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, eq=False)
class Announced(Around):
    """A recipe that says when it begins, and when it took more memory than is good."""

    name: str
    settings: Settings

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        run.emit(STARTED, job_id=run.id, type=self.name)
        result = self.recipe(run, plan)
        share = resident_bytes() / (self.settings.max_memory_mb * MEGABYTE)
        if share > self.settings.memory_alert_threshold:
            run.emit(HIGH_MEMORY, mem_usage=resident_bytes(), usage_percent=round(100 * share))
        return result


def follow(rota: Rota, tell: Tell) -> None:
    """Call ``tell(name, payload)`` with what happens in this process from now on. One that raises harms no job.

    Each run is told of as ``job-completed`` or ``job-failed``, once, however often it was tried; what is told of a job
    by a name of its own follows that.
    """

    def hear(event: Event) -> None:
        for name, payload in _told(rota, event):
            tell(name, payload)

    for pattern in ("run.succeeded", "run.failed", "run.quarantined", "node.started", "node.stopped", *BY_BODIES):
        rota.listeners.add(pattern, hear)


def _told(rota: Rota, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    match event.kind:
        case "node.started":
            yield from (("service-started", {"at": _moment(event.at)}), ("jobs-started", {"at": _moment(event.at)}))
        case "node.stopped":
            yield "service-stopped", {"at": _moment(event.at)}
        case "run.succeeded" | "run.failed" | "run.quarantined" if event.data["job"].startswith(PREFIX):
            yield from _ended(rota, event)
        case kind if kind in BY_BODIES:
            yield BY_BODIES[kind], {**event.data, "timestamp": _moment(event.at)}


def _ended(rota: Rota, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    run = rota.runs.get(event.run_id or 0)
    name = run.job.removeprefix(PREFIX)
    known = {"job_id": run.id, "duration": ((run.finished_at or 0) - (run.started_at or 0)) / 1_000_000}
    if event.kind != "run.succeeded":
        yield "job-failed", known | {"job_type": name, "error": run.error}
        if name == "health-check":
            yield "health-check-failed", {"error": run.error}
        return
    result = json.loads(run.result) if run.result else {}
    known |= {"stats": result.get("counts", {})}
    yield "job-completed", known | {"status": result.get("status", "success")}
    if name in COMPLETED:
        yield COMPLETED[name], known


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat()
