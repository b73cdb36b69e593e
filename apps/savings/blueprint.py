"""The savings groups' jobs: when they are due, and how they may run."""

from __future__ import annotations

from apps.own_tables import opener
from apps.recurring import add
from apps.savings.archive import archive_audit_logs
from apps.savings.letters import ContributionSummaries
from apps.savings.lock import Locked
from apps.savings.settings import Settings
from apps.savings.statuses import update_group_statuses
from apps.savings.tables import metadata
from rota import Blueprint
from rota.messages import Smtp
from rota.recipes import bind


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    bind(metadata, opener(settings, metadata))
    jobs = Blueprint("savings", environments=["production", "staging"])
    archive = Locked(archive_audit_logs(settings), "archive-audit-logs", 600, settings)
    statuses = Locked(update_group_statuses(settings), "update-group-statuses", 300, settings)
    add(jobs, "archive-audit-logs", "0 2 * * *", archive, late=24, concurrency=None)
    add(jobs, "update-group-statuses", "0 * * * *", statuses, late=1, minutes=55, concurrency=None)
    mail = Smtp(settings.smtp_host, settings.smtp_port, sender=settings.mail_from)
    summaries = Locked(ContributionSummaries(settings, {"email": mail}), "send-contribution-summaries", 600, settings)
    production = {"environments": ["production"], "executor": "process", "memory": f"{settings.max_heap_mb}MB"}
    # Sunday: in the far east of the date line it is Monday already.
    monday = "0 * * * 0,1" if settings.per_group_timezone else "0 9 * * 1"
    add(jobs, "send-contribution-summaries", monday, summaries, late=72, concurrency=None, **production)
    return jobs
