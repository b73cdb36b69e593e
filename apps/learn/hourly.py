"""LP-1b: the figures of the last whole hour, kept for thirty days."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, delete

from apps.learn.periods import hour, utc_hour
from apps.learn.tables import realtime_metrics
from rota import JobResult, Run
from rota.recipes import Period, insert, reading, writing

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
        old = connection.execute(delete(realtime_metrics).where(realtime_metrics.c.hour_start < period.start - KEPT))
    result.counts = {"hours": 1, "deleted": old.rowcount}
    return result
