"""Form-a-Friend's jobs: when they are due, and how they may run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apps.faf.cleanup import cleanup
from apps.faf.events import Announced
from apps.faf.health import health_check
from apps.faf.invitations import MonthlyInvitations, reminders, trying_again
from apps.faf.planning import PER_USER
from apps.faf.settings import Settings
from apps.faf.tables import health_samples, metadata
from apps.own_tables import opener
from apps.recurring import add
from rota import Blueprint, Rota, cron
from rota.messages import HttpProvider, Sender, Smtp
from rota.recipes import Recipe, bind, engine_of

BATCH_AT_MOST = 100
"""What a call of the provider may hold."""
ANSWER_SECONDS = 15.0


def make_blueprint(settings: Settings, rota: Callable[[], Rota]) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs.

    ``rota``: whose jobs they are, for the one that looks at the others.
    """
    engine = opener(settings, metadata)
    bind(metadata, engine)
    jobs = Blueprint("faf", environments=["production", "staging"])
    mail = senders(settings)
    _add_mails(jobs, settings, mail)
    add(
        jobs,
        "cleanup",
        "0 2 * * *",
        Announced(cleanup(settings), "cleanup", settings),
        late=24,
        tz=settings.timezone,
        **_limited(settings),
    )
    jobs.job(
        "health-check",
        schedule=cron("*/5 * * * *", tz=settings.timezone),
        catch_up="none",
        each="host",
        retry=1,
        timeout=timedelta(minutes=4),
        queue="health",
    )(health_check(settings, lambda: engine_of(health_samples), rota, mail))
    return jobs


def _limited(settings: Settings) -> dict[str, Any]:
    """What holds for jobs that may grow: one that takes too much memory is ended, and nothing else with it."""
    return {"executor": "process", "memory": f"{settings.max_memory_mb}MB"}


def _add_mails(jobs: Blueprint, settings: Settings, mail: list[Sender]) -> None:
    def mails(name: str, expression: str, recipe: Recipe, **policies: Any) -> None:
        policies |= {"tz": settings.timezone, "environments": ["production"], **_limited(settings)}
        add(jobs, name, expression, Announced(recipe, name, settings), **policies)

    channels = {"email": mail}
    monthly = f"0 {settings.monthly_hour} {settings.monthly_day} * *"
    asked = "0 * * * *" if settings.mode == PER_USER else monthly
    hours = settings.max_job_hours
    mails("monthly-invitations", asked, MonthlyInvitations(settings, channels), late=48, minutes=60 * hours)
    mails("invitation-retry", "*/10 * * * *", trying_again(settings, channels), minutes=9, catch_up="none")
    mails("reminders", "0 */1 * * *", reminders(settings, channels), late=1, minutes=55)


def senders(settings: Settings) -> list[Sender]:
    """The provider where there is one, else the mail server, which takes its place while it is down."""
    rate = f"{settings.mails_per_second:g}/s" if settings.mails_per_second else None
    answer = min(ANSWER_SECONDS, settings.worker_timeout_ms / 1_000)
    smtp = Smtp(
        settings.smtp_host,
        settings.smtp_port,
        sender=settings.mail_from,
        username=settings.smtp_username,
        password=settings.smtp_password,
        tls=settings.smtp_tls,  # type: ignore[arg-type] - one of those that the setting allows
        connections=settings.max_workers,
        per_second=rate,
        timeout=answer,
    )
    if not settings.provider_url:
        return [smtp]
    provider = HttpProvider(
        settings.provider_url,
        sender=settings.mail_from,
        token=settings.provider_token,
        per_request=min(BATCH_AT_MOST, settings.invitations_at_once),
        connections=settings.max_workers,
        per_second=rate,
        requests_per_second=f"{settings.provider_requests:g}/s",
        timeout=answer,
    )
    return [provider, smtp]
