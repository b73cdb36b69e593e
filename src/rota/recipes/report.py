"""Add up a period of the calendar, compare it with the one before, and keep what came out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select, update

from rota.recipes.database import engine_of, insert, reading, table_of, writing
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.tables import ready, record

if TYPE_CHECKING:
    from rota import JobResult, Run

Length = Literal["hour", "day", "week", "month"]
Metrics = Callable[[Connection, "Period"], Mapping[str, Any]]
"""What happened in a period, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Period:
    """``start <= moment < end``, both in UTC."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        return (self.end - self.start) / timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Periods:
    """Whole hours, days, weeks or months of a zone's clock. Weeks begin on Monday (0), unless said otherwise."""

    length: Length
    zone: str = "UTC"
    first_weekday: int = 0

    def before(self, moment: datetime) -> Period:
        """The last whole one that was over at ``moment``; a run that is late is of the same one."""
        local = moment.astimezone(ZoneInfo(self.zone)).replace(minute=0, second=0, microsecond=0)
        end = self._start_of(local)
        return Period(self._utc(self._earlier(end)), self._utc(end))

    def previous(self, period: Period) -> Period:
        start = period.start.astimezone(ZoneInfo(self.zone))
        return Period(self._utc(self._earlier(start)), period.start)

    def _start_of(self, local: datetime) -> datetime:
        if self.length == "hour":
            return local
        day = local.replace(hour=0)
        if self.length == "week":
            return day - timedelta(days=(day.weekday() - self.first_weekday) % 7)
        return day.replace(day=1) if self.length == "month" else day

    def _earlier(self, start: datetime) -> datetime:
        """By the clock on the wall: a day of 23 hours is a day."""
        if self.length == "hour":
            return (start.astimezone(UTC) - timedelta(hours=1)).astimezone(start.tzinfo)
        if self.length == "month":
            return (start - timedelta(days=1)).replace(day=1)
        return start - timedelta(days=7 if self.length == "week" else 1)

    def _utc(self, local: datetime) -> datetime:
        return local.astimezone(UTC)


@dataclass(frozen=True, eq=False)
class Report(Recipe):
    """The report of the period before the run's due moment is put into ``store``, a table with the columns
    ``report_type, period_start, period_end, payload, checksum, generated_at, revision`` and, where there is one report
    for each of several things, ``scope``; unique by type, start and scope.

    Made again it is the same, and left alone; where the data has changed since, that is a warning, unless ``force``.
    """

    report_type: str
    periods: Periods
    metrics: Metrics
    store: Any
    _: KW_ONLY
    compare: bool = True
    scope: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", table_of(self.store))

    @property
    def description(self) -> str:
        """``Make the report weekly_trend of each week.``"""
        return f"Make the report {self.report_type} of each {self.periods.length}."

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        without_plan(plan)
        period = self.periods.before(run.due_at)
        engine = engine_of(self.store)
        with reading(engine) as connection:
            payload = self.payload(connection, period)
        text = json.dumps(payload, sort_keys=True, default=str)
        checksum = hashlib.sha256(text.encode()).hexdigest()
        kept = json.loads(text)
        result = JobResult(period=(period.start, period.end), details={"checksum": checksum[:12], "report": kept})
        if run.dry_run:
            return replace(result, status="dry_run", message=f"{self.report_type} would be made")
        ready(engine)
        with writing(engine) as connection:
            self._keep(connection, run, period, kept, checksum, result)
        return result

    def payload(self, connection: Connection, period: Period) -> dict[str, Any]:
        found = dict(self.metrics(connection, period))
        if not self.compare:
            return found
        before = dict(self.metrics(connection, self.periods.previous(period)))
        changes = {name: change(value, before.get(name, 0)) for name, value in found.items() if _is_number(value)}
        return found | {"previous": before, "change_pct": changes}

    def _keep(
        self, connection: Connection, run: Run, period: Period, payload: Any, checksum: str, result: JobResult
    ) -> None:
        store: Table = self.store
        key = {"report_type": self.report_type, "period_start": period.start}
        key |= {} if self.scope is None else {"scope": self.scope}
        content = {"payload": payload, "checksum": checksum, "generated_at": run.as_of, "revision": 1}
        row = key | {"period_end": period.end} | content
        made = insert(connection, store).values(row).on_conflict_do_nothing().returning(store.c.report_type)
        if connection.scalar(made) is not None:
            result.counts, result.message = {"made": 1}, f"{self.report_type} is made"
            record(connection, run, "report", store.name, target_id=period.start.isoformat())
            return
        mine = [store.c[name] == value for name, value in key.items()]
        there = connection.execute(select(store).where(*mine)).mappings().one()
        result.counts = {"made": 0}
        if there["checksum"] == checksum:
            result.message = f"{self.report_type} is unchanged"
        elif not self.force:
            result.message = f"{self.report_type} stays as it was"
            result.warnings.append("late_data_differs: rows of the period were changed after its report was made")
        else:
            changed = row | {"revision": there["revision"] + 1}
            connection.execute(update(store).where(*mine).values(changed))
            result.counts, result.message = {"made": 1}, f"{self.report_type} is revised"
            record(connection, run, "report", store.name, target_id=period.start.isoformat(), details={"revised": True})


def change(now: float, before: float) -> float:
    """In percent, to two places; from nothing to something is 100."""
    if not before:
        return 100.0 if now else 0.0
    return round((float(now) - float(before)) / float(before) * 100, 2)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
