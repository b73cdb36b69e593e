"""CodeNotify's jobs: when they are due and how they may run. What they do stands in a module each.

Those modules are imported when a job runs: a command that only lists jobs need not wait for SQLAlchemy and httpx.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from apps.codenotify.settings import Settings
from apps.recurring import THREE_TIMES
from rota import Blueprint, JobResult, Run, Trigger, cron

if TYPE_CHECKING:
    from apps.codenotify.services import Services

ASK_ONCE = "after-sync"


def make_blueprint(settings: Settings, services: Callable[[], Services]) -> Blueprint:
    """The jobs as ``settings`` have them; ``services`` is asked for when one of them runs.

    Raises ``SettingsError`` where tables of one's own do not fit.

    Without a schedule, because its setting says off, a job can still be run by hand.
    """
    if settings.own_tables is not None:  # what is wrong with them is told at the start
        services()
    blueprint = Blueprint("codenotify")
    _add_senders(blueprint, settings, services)
    _add_upkeep(blueprint, settings, services)
    return blueprint


def _at(expression: str, enabled: bool = True) -> Trigger | None:
    return cron(expression, tz="UTC") if enabled else None


def _add_upkeep(blueprint: Blueprint, settings: Settings, services: Callable[[], Services]) -> None:
    @blueprint.job(
        "cleanup-old-data",
        schedule=_at("0 2 * * *", settings.cleanup_enabled),
        catch_up_window=timedelta(hours=24),
        retry=THREE_TIMES,
        timeout=timedelta(minutes=60),
        destructive=True,
        sends=settings.warns_inactive,
        environments=["production", "staging"],
    )
    def cleanup_old_data(run: Run) -> JobResult:
        """Remove old contests and read notifications, warn and mark inactive people, clear expired tokens."""
        from apps.codenotify import cleanup

        return cleanup.cleanup_old_data(run, services())


def _add_senders(blueprint: Blueprint, settings: Settings, services: Callable[[], Services]) -> None:
    enabled = settings.notifications_enabled
    sender = {"sends": True, "retry": THREE_TIMES, "timeout": timedelta(minutes=25), "environments": ["production"]}

    @blueprint.job(
        "dispatch-notifications",
        schedule=_at("*/30 * * * *", enabled),
        catch_up_window=timedelta(minutes=30),
        **sender,
    )
    def dispatch_notifications(run: Run, reason: str = "schedule") -> JobResult:
        """Tell everybody of the contests, new times and cancellations that are due."""
        from apps.codenotify import dispatch

        return dispatch.dispatch_notifications(run, services(), reason=reason)

    @blueprint.job(
        "retry-failed-deliveries",
        schedule=_at("*/5 * * * *", enabled),
        catch_up="none",
        # One attempt: what fails waits for its own next try, and the next run comes in five minutes.
        **sender | {"timeout": timedelta(minutes=4), "retry": 1},
    )
    def retry_failed_deliveries(run: Run) -> JobResult:
        """Try failed messages again, while they are still of use."""
        from apps.codenotify import dispatch

        return dispatch.retry_failed_deliveries(run, services())

    @blueprint.job(
        "send-daily-digests",
        schedule=_at("0 8 * * *", enabled),
        catch_up_window=timedelta(hours=6),
        **sender,
    )
    def send_daily_digests(run: Run) -> JobResult:
        """Send the contests of the next 24 hours to those who want one message a day."""
        from apps.codenotify import dispatch

        return dispatch.send_digests(run, services(), "daily")

    @blueprint.job(
        "send-weekly-digests",
        schedule=_at("0 8 * * 1", enabled),
        catch_up_window=timedelta(hours=6),
        **sender,
    )
    def send_weekly_digests(run: Run) -> JobResult:
        """Send the contests of the next 7 days to those who want one message a week."""
        from apps.codenotify import dispatch

        return dispatch.send_digests(run, services(), "weekly")

    @blueprint.job(
        "sync-contests",
        schedule=_at(settings.sync_cron, settings.sync_enabled),
        catch_up_window=timedelta(hours=6),
        retry=THREE_TIMES,
        timeout=timedelta(minutes=10),
        environments=["production", "staging"],
    )
    def sync_contests(
        run: Run, platforms: list[str] | None = None, force: bool = False, source: str = "scheduler"
    ) -> JobResult:
        """Fetch the contests of every platform, and have people told of what is new."""
        from apps.codenotify import sync

        result = sync.sync_contests(run, services(), platforms=platforms, force=force, source=source)
        if enabled and not run.dry_run and sync.news(result):
            # Once is enough, however many syncs find something while it waits or runs.
            dispatch_notifications.options(key=ASK_ONCE, by=run.job).enqueue(reason="sync")
        result.details["notified_enqueued"] = enabled and not run.dry_run and sync.news(result)
        return result
