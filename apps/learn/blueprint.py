"""The learning platform's jobs: when they are due, and how they may run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_

from apps.learn.courses import update_courses
from apps.learn.cut import day_of
from apps.learn.hourly import update_hour
from apps.learn.periods import summary, trends
from apps.learn.rotation import secret_rotation
from apps.learn.sessions import daily_cleanup, end_sessions
from apps.learn.settings import Settings
from apps.learn.students import update_students
from apps.learn.tables import courses, metadata, reports, users
from apps.own_tables import opener
from apps.recurring import THREE_TIMES, add
from rota import Blueprint, JobResult, Run, cron
from rota.recipes import Derive, Periods, PruneLogs, Report, Steps, bind

UTC_SUNDAYS = 6


def make_blueprint(settings: Settings) -> Blueprint:
    """The jobs as ``settings`` have them. The database is opened when one of them first runs."""
    engine = opener(settings, metadata)
    bind(metadata, engine)
    jobs = Blueprint("learn", environments=["production", "staging"])
    add(jobs, "daily-analytics-updates", "0 0 * * *", ANALYTICS, late=24)
    add(jobs, "weekly-trend-reports", "0 1 * * 0", WEEKLY, late=8 * 7 * 24, minutes=30, catch_up="all")
    add(jobs, "monthly-executive-summaries", "0 2 1 * *", MONTHLY, late=8 * 31 * 24, minutes=30, catch_up="all")
    _add_hourly(jobs, settings, engine)
    _add_sessions(jobs, settings, engine)
    add(
        jobs,
        "secret-rotation",
        "0 5 * * *",
        secret_rotation(settings),
        late=24,
        minutes=15,
        environments=["production"],
    )
    if settings.logs is not None:
        add(jobs, "daily-log-pruning", "0 4 * * *", _pruning(settings), late=24, each="host")
    return jobs


def _of_courses(connection: Connection, ids: Sequence[Any], run: Run) -> Any:
    return update_courses(connection, ids, day_of(run.due_at), run.as_of)


def _of_students(connection: Connection, ids: Sequence[Any], run: Run) -> Any:
    return update_students(connection, ids, day_of(run.due_at), run.as_of)


class Analytics(Steps):
    """Its result also says of which midnight it is."""

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        result = super().__call__(run, plan)
        result.details["cut"] = day_of(run.due_at).isoformat()
        return result


ANALYTICS = Analytics(
    courses=Derive(
        courses,
        _of_courses,
        counted_as="courses_changed",
        also_counted=["courses_processed"],
        where=and_(courses.c.status == "published", courses.c.deleted_at.is_(None)),
    ),
    students=Derive(
        users,
        _of_students,
        counted_as="students_changed",
        also_counted=["students_processed", "badges_awarded"],
        where=and_(users.c.role == "student", users.c.deleted_at.is_(None)),
    ),
    prefix=False,
)
WEEKLY = Report("weekly_trend", Periods("week", first_weekday=UTC_SUNDAYS), trends, reports, compare=False, scope="all")
MONTHLY = Report("monthly_summary", Periods("month"), summary, reports, compare=False, scope="all")


def _pruning(settings: Settings) -> PruneLogs:
    assert settings.logs is not None  # noqa: S101 - asked for where there is a directory
    return PruneLogs(
        settings.logs,
        older_than=timedelta(days=settings.log_retention_days),
        max_megabytes=settings.log_max_file_mb,
        max_files=settings.log_max_files,
    )


def _add_hourly(jobs: Blueprint, settings: Settings, engine: Callable[[], Engine]) -> None:
    @jobs.job(
        "hourly-realtime-metrics",
        schedule=cron("0 * * * *", tz="UTC") if settings.hourly_metrics else None,
        catch_up="all",
        catch_up_window=timedelta(hours=24),
        retry=THREE_TIMES,
        timeout=timedelta(minutes=10),
        concurrency=1,
    )
    def hourly_realtime_metrics(run: Run) -> JobResult:
        """Add up what happened in the last whole hour."""
        return update_hour(run, engine())


def _add_sessions(jobs: Blueprint, settings: Settings, engine: Callable[[], Engine]) -> None:
    add(jobs, "daily-session-cleanup", "0 3 * * *", daily_cleanup(settings, engine), late=24)

    @jobs.job("end-sessions", retry=THREE_TIMES, timeout=timedelta(minutes=5), destructive=True)
    def end_sessions_of(run: Run, user_id: str) -> JobResult:
        """End all sessions of one person."""
        return end_sessions(run, settings, str(user_id))
