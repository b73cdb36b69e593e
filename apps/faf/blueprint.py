"""Form-a-Friend's jobs: when they are due, and how they may run."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Engine

from apps.database import connect, create_tables
from apps.faf.cleanup import cleanup
from apps.faf.health import health_check
from apps.faf.invitations import MonthlyInvitations, reminders, trying_again
from apps.faf.settings import Settings
from apps.faf.tables import health_samples, metadata
from rota import Blueprint, Retry, cron
from rota.messages import Smtp
from rota.recipes import Recipe, bind
from rota.recipes.database import engine_of

THREE_TIMES = Retry(attempts=3, delays=[1, 2])


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    engine = cache(lambda: open_database(settings))
    bind(metadata, engine)
    jobs = Blueprint("faf", environments=["production", "staging"])
    _add_senders(jobs, settings)
    jobs.job(
        "cleanup",
        schedule=cron("0 2 * * *", tz=settings.timezone),
        catch_up_window=timedelta(hours=24),
        retry=THREE_TIMES,
        timeout=timedelta(minutes=60),
    )(cleanup(settings))
    jobs.job(
        "health-check",
        schedule=cron("*/5 * * * *", tz=settings.timezone),
        catch_up="none",
        each="host",
        retry=1,
        timeout=timedelta(minutes=4),
        queue="health",
    )(health_check(settings, lambda: engine_of(health_samples)))
    return jobs


def _add_senders(jobs: Blueprint, settings: Settings) -> None:
    def add(name: str, expression: str, recipe: Recipe, minutes: float, **policies: Any) -> None:
        schedule = cron(expression, tz=settings.timezone)
        given = {
            "environments": ["production"],
            "retry": THREE_TIMES,
            "timeout": timedelta(minutes=minutes),
            **policies,
        }
        jobs.job(name, schedule=schedule, **given)(recipe)

    channels = {"email": _mail(settings)}
    monthly = f"0 {settings.monthly_hour} {settings.monthly_day} * *"
    campaign, late = MonthlyInvitations(settings, channels), timedelta(hours=48)
    add("monthly-invitations", monthly, campaign, 60 * settings.max_job_hours, catch_up_window=late)
    add("invitation-retry", "*/10 * * * *", trying_again(settings, channels), 9, catch_up="none")
    add("reminders", "0 */1 * * *", reminders(settings, channels), 55, catch_up_window=timedelta(hours=1))


def _mail(settings: Settings) -> Smtp:
    rate = settings.mails_per_second
    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        sender=settings.mail_from,
        username=settings.smtp_username,
        password=settings.smtp_password,
        tls=settings.smtp_tls,  # type: ignore[arg-type] - one of those that the setting allows
        connections=settings.max_workers,
        per_second=f"{rate:g}" if rate else None,
    )


def open_database(settings: Settings) -> Engine:
    engine = connect(settings.database_url)
    create_tables(engine, metadata)
    return engine
