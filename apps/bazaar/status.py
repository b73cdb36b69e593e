"""What Multiverse Bazaar's pages show of its jobs, and how one is run by hand."""

from __future__ import annotations

from typing import Any

from apps.standing import Standing, plain, standing, standings
from rota import Rota
from rota.errors import NotFoundError

PREFIX = "bazaar"
ON_DEMAND = {"replay-erasures"}
"""These are never due, so they are no part of what is on or off."""


def job_status(rota: Rota, name: str) -> dict[str, Any] | None:
    """``None`` for a job that is not there."""
    try:
        return _status(standing(rota, f"{PREFIX}/{name}"))
    except NotFoundError:
        return None


def job_statistics(rota: Rota) -> dict[str, Any]:
    jobs = [_status(each) for each in standings(rota, PREFIX) if each.name not in ON_DEMAND]
    return {
        "total_jobs": len(jobs),
        "enabled_jobs": sum(job["enabled"] for job in jobs),
        "running_jobs": sum(job["is_running"] for job in jobs),
        "jobs": jobs,
    }


def run_now(rota: Rota, name: str, by: str) -> int:
    """Asks for a run, and returns its id at once. Raises ``NotFoundError``, which names the jobs that there are."""
    standing(rota, f"{PREFIX}/{name}")
    return rota.options(by=by).trigger(f"{PREFIX}/{name}").id


def _status(job: Standing) -> dict[str, Any]:
    return dict(
        plain(
            {
                "name": job.name,
                "description": job.description,
                "enabled": job.enabled,
                "is_running": job.running,
                "schedule": job.schedule,
                "last_run": job.last_run,
                "next_run": job.next_run,
                "last_result": _result(job),
            }
        )
    )


def _result(job: Standing) -> dict[str, Any] | None:
    """``success`` is so unless nothing, or not all, was done."""
    if job.status is None:
        return None
    found = job.result or {}
    details = {"counts": found.get("counts", {}), **found.get("details", {})}
    return {
        "success": job.status in {"success", "dry_run"},
        "message": found.get("message") or job.status,
        "details": details,
    }
