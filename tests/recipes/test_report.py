from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)

from rota.recipes import Period, Periods, Report, bind
from rota.recipes.report import change
from tests.recipes.conftest import NOW, cook
from tests.recipes.tables import notes

metadata = MetaData()
reports = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("report_type", Text, nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    Column("period_end", DateTime(timezone=True), nullable=False),
    Column("payload", JSON),
    Column("checksum", Text),
    Column("generated_at", DateTime(timezone=True)),
    Column("revision", Integer),
    UniqueConstraint("report_type", "period_start"),
)
RowsOf = Callable[..., list[Any]]
Put = Callable[..., None]


def metrics(connection: Connection, period: Period) -> dict[str, Any]:
    within = (notes.c.created_at >= period.start, notes.c.created_at < period.end)
    return {"notes": connection.scalar(select(func.count()).select_from(notes).where(*within)), "kind": "all"}


WEEKLY = Report("weekly", Periods("week", first_weekday=6), metrics, reports)
SUNDAY = datetime(2026, 3, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _tables(engine: Engine) -> None:
    metadata.create_all(engine)
    bind(metadata, engine)


@pytest.mark.parametrize(
    ("length", "zone", "moment", "start", "end"),
    [
        ("week", "UTC", "2026-03-05T12:00+00:00", "2026-02-23T00:00+00:00", "2026-03-02T00:00+00:00"),
        ("month", "UTC", "2026-01-01T02:00+00:00", "2025-12-01T00:00+00:00", "2026-01-01T00:00+00:00"),
        ("month", "UTC", "2028-03-04T00:00+00:00", "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
        ("day", "Europe/Paris", "2026-03-30T08:00+00:00", "2026-03-28T23:00+00:00", "2026-03-29T22:00+00:00"),
        ("day", "Europe/Paris", "2026-10-26T08:00+00:00", "2026-10-24T22:00+00:00", "2026-10-25T23:00+00:00"),
        ("hour", "UTC", "2026-03-05T12:00+00:00", "2026-03-05T11:00+00:00", "2026-03-05T12:00+00:00"),
        ("hour", "Europe/Paris", "2026-10-25T01:30+00:00", "2026-10-25T00:00+00:00", "2026-10-25T01:00+00:00"),
    ],
)
def test_a_period_is_of_the_calendar_and_of_the_zone(length: Any, zone: str, moment: str, start: str, end: str) -> None:
    found = Periods(length, zone).before(datetime.fromisoformat(moment))

    assert (found.start, found.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_a_run_that_is_late_makes_the_report_of_its_own_period(put: Put, rows_of: RowsOf) -> None:
    put(notes, *({"id": n, "created_at": SUNDAY - timedelta(days=n)} for n in range(1, 10)))

    result = cook(WEEKLY, due_at=SUNDAY, as_of=SUNDAY + timedelta(days=2))

    [row] = rows_of(reports)
    assert result.counts == {"made": 1}
    assert result.period == (datetime(2026, 2, 22, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    assert row.payload == {
        "notes": 7, "kind": "all", "previous": {"notes": 2, "kind": "all"}, "change_pct": {"notes": 250.0},
    }  # fmt: skip


def test_made_again_it_is_left_as_it_is_and_late_data_is_told(put: Put, rows_of: RowsOf) -> None:
    cook(WEEKLY, due_at=SUNDAY)
    assert cook(WEEKLY, due_at=SUNDAY, id=2).message == "weekly is unchanged"
    put(notes, {"id": 1, "created_at": SUNDAY - timedelta(days=2)})

    late = cook(WEEKLY, due_at=SUNDAY, id=3)
    assert (late.counts, [each.split(":")[0] for each in late.warnings]) == ({"made": 0}, ["late_data_differs"])
    assert rows_of(reports)[0].payload["notes"] == 0

    forced = Report("weekly", Periods("week", first_weekday=6), metrics, reports, force=True)
    assert cook(forced, due_at=SUNDAY, id=4).counts == {"made": 1}
    [row] = rows_of(reports)
    assert (row.payload["notes"], row.revision) == (1, 2)


def test_a_dry_run_keeps_nothing(rows_of: RowsOf) -> None:
    result = cook(WEEKLY, due_at=NOW, dry_run=True)

    assert (result.status, rows_of(reports)) == ("dry_run", [])


@pytest.mark.parametrize(("now", "before", "pct"), [(5, 0, 100), (0, 0, 0), (5, 10, -50), (10, 3, 233.33)])
def test_change_from_nothing_is_a_hundred_percent(now: float, before: float, pct: float) -> None:
    assert change(now, before) == pct


def test_what_json_has_no_form_for_is_told_as_it_is_kept(engine: Engine) -> None:
    exact = Report("exact", Periods("week"), lambda *_: {"rate": Decimal("12.50")}, reports, compare=False)

    result = cook(exact, due_at=SUNDAY)

    with engine.connect() as connection:
        [kept] = connection.scalars(select(reports.c.payload))
    assert result.details["report"] == kept == {"rate": "12.50"}
