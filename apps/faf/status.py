"""What Form-a-Friend's administrators see of its jobs."""

from __future__ import annotations

import json
from typing import Any

from apps.faf.health import MEGABYTE, resident_bytes
from apps.faf.settings import Settings
from apps.standing import ENDED, as_dict, ended, plain, standings
from rota import Rota
from rota.errors import ConfigError

PREFIX = "faf"
LAST = 10
MOST = 500
DAY = 24 * 60


def status(rota: Rota) -> dict[str, Any]:
    jobs = list(standings(rota, PREFIX))
    health = next((job for job in jobs if job.name == "health-check"), None)
    nodes = [node for node in rota.nodes.all() if node.alive]
    return {
        "is_running": bool(nodes),
        "active_jobs": sum(job.running for job in jobs),
        "active_workers": sum(node.record.threads for node in nodes),
        "cron_jobs": [as_dict(job) for job in jobs],
        "metrics": metrics(rota),
        "last_health_check": plain(health.last_run) if health else None,
    }


def metrics(rota: Rota) -> dict[str, Any]:
    """Of the last day."""
    figures = [rota.counters.figures(DAY, name) for name in sorted(rota.jobs) if name.startswith(f"{PREFIX}/")]
    runs, failed = sum(each.runs for each in figures), sum(each.failed for each in figures)
    newest = history(rota, limit=1)
    return {
        "total_jobs_run": runs,
        "total_jobs_success": sum(each.succeeded for each in figures),
        "total_jobs_failed": failed,
        "error_rate": round(failed / runs, 2) if runs else 0.0,
        "total_invitations_sent": _sum(rota, "monthly-invitations", "sent"),
        "total_reminders_sent": _sum(rota, "reminders", "first_sent") + _sum(rota, "reminders", "second_sent"),
        "average_job_duration": max((each.p50 for each in figures if each.p50 is not None), default=0.0),
        "peak_memory_usage": round(resident_bytes() / MEGABYTE),
        "last_job_timestamp": newest[0]["finished_at"] if newest else None,
        "last_job_status": newest[0]["status"] if newest else None,
        "current_jobs_running": sum(job.running for job in standings(rota, PREFIX)),
    }


def detailed_metrics(rota: Rota, settings: Settings) -> dict[str, Any]:
    return metrics(rota) | {
        "performance_stats": [as_dict(job) for job in standings(rota, PREFIX)],
        "job_history": history(rota, limit=LAST),
        "config": {
            "batch_size": settings.owners_at_once,
            "max_workers": settings.max_workers,
            "memory_limit": settings.max_memory_mb,
            "timezone": settings.timezone,
        },
    }


def history(
    rota: Rota, *, job_type: str | None = None, status: str | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """The runs that ended, newest first. Raises ``ConfigError`` for a limit that is not within 1 and 500."""
    if not 1 <= limit <= MOST:
        raise ConfigError(f"limit={limit} is none", hint=f"Give a number from 1 to {MOST}.")
    names = [f"{PREFIX}/{job_type}"] if job_type else [name for name in rota.jobs if name.startswith(f"{PREFIX}/")]
    states = [status] if status else ENDED
    return [
        {
            "job_id": run.id,
            "type": run.job.partition("/")[2],
            "status": str(run.state),
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "counts": (json.loads(run.result) if run.result else {}).get("counts", {}),
        }
        for run in ended(rota, names, limit=limit, states=states)
    ]


def _sum(rota: Rota, job: str, count: str) -> int:
    """Over the runs that are kept."""
    name = f"{PREFIX}/{job}"
    found = rota.runs.page(job=name, state="succeeded", limit=200) if name in rota.jobs else []
    return sum((json.loads(run.result) if run.result else {}).get("counts", {}).get(count, 0) for run in found)
