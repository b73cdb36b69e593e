"""The savings groups' jobs: when they are due, and how they may run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from apps import own_tables
from apps.savings.archive import archive_audit_logs
from apps.savings.letters import ContributionSummaries
from apps.savings.lock import Locked
from apps.savings.settings import Settings
from apps.savings.statuses import update_group_statuses
from apps.savings.tables import metadata
from rota import Blueprint, Retry, cron
from rota.messages import Smtp
from rota.recipes import Recipe, bind


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    bind(metadata, own_tables.opener(settings.database_url, metadata, settings.own_tables))
    jobs = Blueprint("savings", environments=["production", "staging"])
    archive = Locked(archive_audit_logs(settings), "archive-audit-logs", 600, settings)
    statuses = Locked(update_group_statuses(settings), "update-group-statuses", 300, settings)
    _add(jobs, "archive-audit-logs", "0 2 * * *", archive, late=24, minutes=60)
    _add(jobs, "update-group-statuses", "0 * * * *", statuses, late=1, minutes=55)
    mail = Smtp(settings.smtp_host, settings.smtp_port, sender=settings.mail_from)
    summaries = Locked(ContributionSummaries(settings, {"email": mail}), "send-contribution-summaries", 600, settings)
    production = {"environments": ["production"], "executor": "process", "memory": f"{settings.max_heap_mb}MB"}
    # Sunday: in the far east of the date line it is Monday already.
    monday = "0 * * * 0,1" if settings.per_group_timezone else "0 9 * * 1"
    _add(jobs, "send-contribution-summaries", monday, summaries, late=72, minutes=60, **production)
    return jobs


def open_database(settings: Settings) -> Engine:
    return own_tables.open_database(settings.database_url, metadata, settings.own_tables)


def _add(
    jobs: Blueprint, name: str, expression: str, recipe: Recipe, *, late: int, minutes: int, **policies: Any
) -> None:
    jobs.job(
        name,
        schedule=cron(expression, tz="UTC"),
        catch_up_window=timedelta(hours=late),
        retry=Retry(attempts=3, delays=[1, 2]),
        timeout=timedelta(minutes=minutes),
        **policies,
    )(recipe)
