"""Multiverse Bazaar's jobs: when they are due, and how they may run."""

from __future__ import annotations

from datetime import timedelta

from apps.bazaar import upkeep
from apps.bazaar.deletions import finalize_deletions, replay
from apps.bazaar.settings import Settings
from apps.bazaar.tables import metadata
from apps.own_tables import opener
from apps.recurring import add
from rota import Blueprint
from rota.recipes import bind

EVERYWHERE = ["production", "staging"]


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    bind(metadata, opener(settings, metadata))
    jobs = Blueprint("bazaar", environments=EVERYWHERE)
    add(jobs, "cleanup-invitations", "0 2 * * *", upkeep.CLEANUP_INVITATIONS, late=24)
    add(jobs, "cleanup-push-tokens", "30 2 * * *", upkeep.cleanup_push_tokens(settings), late=24)
    add(jobs, "anonymize-audit-logs", "0 3 * * *", upkeep.ANONYMIZE_AUDIT_LOGS, late=24)
    add(jobs, "delete-audit-logs", "30 3 * * 0", upkeep.DELETE_AUDIT_LOGS, late=48)
    add(jobs, "cleanup-orphaned-files", "0 4 * * *", upkeep.cleanup_orphaned_files(settings), late=24)
    add(jobs, "finalize-deletions", "30 4 * * *", finalize_deletions(settings), late=24)
    add(jobs, "recalculate-karma", "0 5 * * 0", upkeep.recalculate_karma(settings), late=48)
    jobs.job("replay-erasures", timeout=timedelta(minutes=60), concurrency=1)(replay(settings))
    return jobs
