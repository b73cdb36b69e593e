"""What CodeNotify's administrators see of its jobs, and how one is run, stopped or started by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from apps.standing import UNDER_WAY, Standing, as_dict, ended, standing, standings
from rota import Rota

PREFIX = "codenotify"
SYNC = "sync-contests"
DAY = 24 * 60
SECOND = 1_000_000
LONG_SECONDS = 5 * 60
ERROR_RATE = 0.05


def status(rota: Rota) -> dict[str, Any]:
    """``health`` is ``HEALTHY`` where all that the last run of each job had to do was done; ``UNHEALTHY`` where one
    failed, else ``DEGRADED`` where one was ``partial``, or stopped by its guard."""
    jobs = list(standings(rota, PREFIX))
    return {"health": _health(jobs), "jobs": [as_dict(job) for job in jobs], "alerts": alerts(rota)}


def sync_all(rota: Rota, by: str, *, force: bool = False) -> int:
    """``POST contests/sync/all``: asks for a run, and returns its id at once."""
    return rota.options(by=by).trigger(f"{PREFIX}/{SYNC}", force=force, source="manual").id


def stop(rota: Rota, name: str, by: str) -> None:
    """The job is due no more until it is started; what runs goes on. Raises ``NotFoundError``, ``ConflictError``."""
    rota.schedules.pause(_schedule(rota, name), by=by)


def start(rota: Rota, name: str, by: str) -> None:
    """Raises ``NotFoundError``, and ``ConflictError`` where it was not stopped."""
    rota.schedules.resume(_schedule(rota, name), by=by)


def log(rota: Rota, name: str, limit: int = 20) -> list[dict[str, Any]]:
    """The job's runs that ended, newest first; durations in seconds."""
    job = f"{PREFIX}/{standing(rota, f'{PREFIX}/{name}').name}"
    return [_record(run) for run in ended(rota, [job], limit=limit)]


def metrics(rota: Rota) -> dict[str, dict[str, Any]]:
    """Of each job in the last day; ``items`` are the counts of its last run."""
    found = {}
    for job in standings(rota, PREFIX):
        figures = rota.counters.figures(DAY, f"{PREFIX}/{job.name}")
        found[job.name] = {
            "runs": figures.runs,
            "duration": figures.p50,
            "success_rate": figures.success,
            "errors": figures.failed,
            "items": (job.result or {}).get("counts", {}),
        }
    return found


def alerts(rota: Rota) -> list[dict[str, str]]:
    """``failure``, ``long_run`` (over 5 minutes), ``error_rate`` and ``missed``, of each job that gives cause."""
    found = []
    now = datetime.now(UTC).timestamp()
    for job in standings(rota, PREFIX):
        figures = rota.counters.figures(DAY, f"{PREFIX}/{job.name}")
        running = rota.runs.page(job=f"{PREFIX}/{job.name}", state=UNDER_WAY)
        begun = [run.started_at for run in running if run.started_at is not None]
        causes = {
            "failure": job.status not in {None, "success", "dry_run", "skipped"},
            "long_run": any(now - each / SECOND > LONG_SECONDS for each in begun),
            "error_rate": figures.success is not None and 1 - figures.success > ERROR_RATE,
            "missed": figures.expired > 0,
        }
        found += [{"job": job.name, "alert": alert} for alert, is_so in causes.items() if is_so]
    return found


def _health(jobs: list[Standing]) -> str:
    """A job that was cancelled, or came too late to begin, has not done its work either."""
    amiss = {job.status for job in jobs} - {None, "success", "dry_run", "skipped"}
    if not amiss:
        return "HEALTHY"
    return "DEGRADED" if amiss <= {"partial", "aborted_guard"} else "UNHEALTHY"


def _schedule(rota: Rota, name: str) -> str:
    found = standing(rota, f"{PREFIX}/{name}")
    return next((each.name for each in rota.schedules.page(job=f"{PREFIX}/{found.name}", limit=1)), name)


def _record(run: Any) -> dict[str, Any]:
    began, ended = run.started_at, run.finished_at
    result = json.loads(run.result) if run.result else {}
    return {
        "job": run.job.partition("/")[2],
        "status": result.get("status", str(run.state)) if run.state == "succeeded" else str(run.state),
        "duration": None if began is None or ended is None else (ended - began) / SECOND,
        "results": result.get("counts", {}),
        "error": run.error,
    }
