"""Form-a-Friend's jobs: when they are due, and how they may run."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from sqlalchemy import Engine

from apps.database import connect, create_tables
from apps.faf.cleanup import cleanup
from apps.faf.health import health_check
from apps.faf.settings import Settings
from apps.faf.tables import health_samples, metadata
from rota import Blueprint, Retry, cron
from rota.recipes import bind
from rota.recipes.database import engine_of


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    engine = cache(lambda: open_database(settings))
    bind(metadata, engine)
    jobs = Blueprint("faf", environments=["production", "staging"])
    jobs.job(
        "cleanup",
        schedule=cron("0 2 * * *", tz=settings.timezone),
        catch_up_window=timedelta(hours=24),
        retry=Retry(attempts=3, delays=[1, 2]),
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


def open_database(settings: Settings) -> Engine:
    engine = connect(settings.database_url)
    create_tables(engine, metadata)
    return engine
