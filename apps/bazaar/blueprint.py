"""Multiverse Bazaar's jobs: when they are due, and how they may run."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from apps import own_tables
from apps.bazaar import upkeep
from apps.bazaar.deletions import finalize_deletions, replay
from apps.bazaar.settings import Settings
from apps.bazaar.tables import metadata
from rota import Blueprint, Retry, cron
from rota.recipes import Recipe, bind

EVERYWHERE = ["production", "staging"]


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    bind(metadata, own_tables.opener(settings.database_url, metadata, settings.own_tables))
    jobs = Blueprint("bazaar", environments=EVERYWHERE)
    _add(jobs, "cleanup-invitations", "0 2 * * *", 24, upkeep.CLEANUP_INVITATIONS)
    _add(jobs, "cleanup-push-tokens", "30 2 * * *", 24, upkeep.cleanup_push_tokens(settings))
    _add(jobs, "anonymize-audit-logs", "0 3 * * *", 24, upkeep.ANONYMIZE_AUDIT_LOGS)
    _add(jobs, "delete-audit-logs", "30 3 * * 0", 48, upkeep.DELETE_AUDIT_LOGS)
    _add(jobs, "cleanup-orphaned-files", "0 4 * * *", 24, upkeep.cleanup_orphaned_files(settings))
    _add(jobs, "finalize-deletions", "30 4 * * *", 24, finalize_deletions(settings))
    _add(jobs, "recalculate-karma", "0 5 * * 0", 48, upkeep.recalculate_karma(settings))
    jobs.job("replay-erasures", timeout=timedelta(minutes=60), concurrency=1)(replay(settings))
    return jobs


def open_database(settings: Settings) -> Engine:
    return own_tables.open_database(settings.database_url, metadata, settings.own_tables)


def _add(jobs: Blueprint, name: str, expression: str, late_hours: int, recipe: Recipe) -> None:
    jobs.job(
        name,
        schedule=cron(expression, tz="UTC"),
        catch_up_window=timedelta(hours=late_hours),
        retry=Retry(attempts=3, delays=[1, 2]),
        timeout=timedelta(minutes=60),
        concurrency=1,
    )(recipe)
