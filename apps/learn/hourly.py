"""LP-1b: the figures of the last whole hour, kept for thirty days."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from apps.learn.periods import hour, utc_hour
from apps.learn.sessions import CAREFUL
from apps.learn.tables import realtime_metrics
from rota import JobResult, Run
from rota.recipes import Period, Retention, insert, reading, writing
from rota.recipes.steps import merge, status_of

KEPT = timedelta(days=30)


def update_hour(run: Run, engine: Engine) -> JobResult:
    end = utc_hour(run.due_at)
    period = Period(end - timedelta(hours=1), end)
    with reading(engine) as connection:
        payload = hour(connection, period)
    result = JobResult(
        period=(period.start, period.end), details=payload, status="dry_run" if run.dry_run else "success"
    )
    if run.dry_run:
        return result
    with writing(engine) as connection:
        statement = insert(connection, realtime_metrics).values(hour_start=period.start, payload=payload)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["hour_start"], set_={"payload": statement.excluded.payload})
        )
    result.counts = {"hours": 1}
    kept = _old(period)(run)
    merge(result, "old_hours", kept, prefix=False)
    result.status = status_of([result.status, kept.status])
    return result


def _old(period: Period) -> Retention:
    """By the hour that the run is of, so that a late one takes no more."""
    return Retention(realtime_metrics, where=realtime_metrics.c.hour_start < period.start - KEPT, safety=CAREFUL)
