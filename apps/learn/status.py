"""What the learning platform's administrators see of its jobs."""

from __future__ import annotations

from typing import Any

from apps.standing import Standing, as_dict, plain, standing, standings
from rota import Rota

PREFIX = "learn"
SERVICES = {
    "cron_job_service": ("hourly-realtime-metrics",),
    "analytics_scheduler": ("daily-analytics-updates", "weekly-trend-reports", "monthly-executive-summaries"),
    "session_cleanup": ("daily-session-cleanup",),
    "log_pruning": ("daily-log-pruning",),
    "secret_rotation": ("secret-rotation",),
}
"""Which of its jobs each part of the platform answers for."""
ON_DEMAND = {"end-sessions"}
"""These are never due, so they are no part of what is on or off."""


def status(rota: Rota) -> dict[str, Any]:
    """A job that is off has not failed: failed are those whose last run did."""
    jobs = [job for job in standings(rota, PREFIX) if job.name not in ON_DEMAND]
    return {
        "is_initialized": True,
        "is_enabled": any(job.enabled for job in jobs),
        "environment": rota.settings.environment,
        "timezone": "UTC",
        "total_jobs": len(jobs),
        "active_jobs": sum(job.enabled for job in jobs),
        "failed_jobs": sum(job.status == "failed" for job in jobs),
        "last_health_check": plain(max((job.last_run for job in jobs if job.last_run), default=None)),
        "services": {name: any(job.name in names and job.enabled for job in jobs) for name, names in SERVICES.items()},
    }


def detailed_status(rota: Rota) -> dict[str, Any]:
    jobs = {job.name: job for job in standings(rota, PREFIX)}

    def of(service: str) -> list[dict[str, Any]]:
        return [as_dict(jobs[name]) for name in SERVICES[service] if name in jobs]

    return {
        "scheduler": status(rota),
        "analytics": of("analytics_scheduler"),
        "session_cleanup": of("session_cleanup"),
        "log_pruning": of("log_pruning"),
        "secret_rotation": of("secret_rotation"),
    }


def trigger(rota: Rota, task: str, by: str) -> int:
    """Asks for a run, and returns its id at once. Raises ``NotFoundError``, which names the tasks that there are."""
    found: Standing = standing(rota, f"{PREFIX}/{task}")
    return rota.options(by=by).trigger(f"{PREFIX}/{found.name}").id
