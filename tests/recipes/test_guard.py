from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, Table

from rota.errors import ConfigError
from rota.recipes import Retention, Safety, bind
from rota.recipes.tables import ready, sweeps
from tests.recipes.conftest import NOW, cook, days
from tests.recipes.tables import notes, parents

Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]
ABORT = Safety(on_guard="abort", pause=0, floor=10)


def clean(**safety: Any) -> Retention:
    return Retention(notes, age=notes.c.created_at, older_than="90d", safety=ABORT.with_(**safety))


def rows(old: int, young: int) -> list[dict[str, Any]]:
    [then, now] = days(100, 1)
    return [{"id": number, "created_at": then if number < old else now} for number in range(old + young)]


def history(*changed: int, ago: int = 3) -> list[dict[str, Any]]:
    """Runs of the job that ended so many days ago, by the real clock."""
    at = datetime.now(UTC) - timedelta(days=ago)
    return [
        {
            "run": f"shop/clean:{ago}00{number}",
            "part": "deleted",
            "job": "shop/clean",
            "attempt": 1,
            "as_of": at,
            "predicate": "",
            "started_at": at,
            "ended_at": at,
            "changed": count,
            "overdue": count,
            "rehearsed": 0,
        }
        for number, count in enumerate(changed)
    ]


@pytest.mark.parametrize(
    ("old", "young", "safety", "wrong"),
    [
        (11, 0, {}, "11 rows are 100.0% of 11 rows, more than 5.0%"),
        (11, 200, {}, "11 rows are 5.2% of 211 rows, more than 5.0%"),
        (3, 0, {"most_rows": 2}, "3 rows are more than 2"),
    ],
)
def test_too_many_rows_stop_it_before_it_changes_one(
    put: Put, rows_of: RowsOf, old: int, young: int, safety: dict[str, Any], wrong: str
) -> None:
    put(notes, *rows(old, young))

    result = cook(clean(**safety))

    assert (result.status, result.counts) == ("aborted_guard", {"deleted": 0})
    assert result.message == f"nothing was changed: {wrong}"
    assert len(rows_of(notes)) == old + young


@pytest.mark.parametrize(("old", "young"), [(10, 0), (11, 210)])
def test_a_few_rows_and_a_small_part_of_many_are_nobodys_concern(put: Put, old: int, young: int) -> None:
    put(notes, *rows(old, young))

    assert cook(clean()).counts == {"deleted": old}


def test_much_more_than_usual_stops_it(engine: Engine, put: Put) -> None:
    put(notes, *rows(16, 1_000))
    ready(engine)
    put(sweeps, *history(4, 6), *history(1_000, ago=40))

    result = cook(clean())

    assert "16 rows are more than 3 times the 5 of a usual run in the last 30 days" in result.message
    assert cook(clean(runaway=4)).counts == {"deleted": 16}


def test_much_after_a_month_of_nothing_stops_it(engine: Engine, put: Put) -> None:
    put(notes, *rows(16, 1_000))
    ready(engine)
    put(sweeps, *history(0, 0))

    assert "16 rows are more than 3 times the 0 of a usual run" in cook(clean()).message


def test_an_age_of_a_day_or_less_is_taken_for_a_mistake_of_units(put: Put) -> None:
    put(notes, *rows(1, 0))
    hasty = Retention(notes, age=notes.c.created_at, older_than="90min", safety=ABORT)

    result = cook(hasty)
    assert "rows older than 1h 30min would go, and none younger than 1d should" in result.message
    meant = Retention(notes, age=notes.c.created_at, older_than="90min", safety=ABORT.with_(least_age="1h"))
    assert cook(meant).counts == {"deleted": 1}


def test_what_would_go_with_the_rows_must_be_named(put: Put, rows_of: RowsOf) -> None:
    put(parents, {"id": 1, "created_at": NOW - timedelta(days=100)})
    recipe = Retention(parents, age=parents.c.created_at, older_than="90d", safety=ABORT)

    result = cook(recipe)

    assert result.message == "nothing was changed: rows of child would go with those of parent (ON DELETE CASCADE)"
    named = Retention(parents, age=parents.c.created_at, older_than="90d", safety=ABORT.with_(cascades={"child"}))
    assert cook(named).counts == {"deleted": 1}


def test_what_would_go_by_a_key_that_only_the_database_knows_must_be_named(engine: Engine, put: Put) -> None:
    put(notes, *rows(1, 0))
    with engine.begin() as connection:
        for child, parent, key in (("other", "note", "nr"), ("another", "other", "id")):
            column = f"REFERENCES {parent} ({key}) ON DELETE CASCADE"
            connection.exec_driver_sql(f"CREATE TABLE {child} (id INTEGER PRIMARY KEY, parent INTEGER {column})")

    result = cook(clean())

    assert result.message == (
        "nothing was changed: rows of another would go with those of other (ON DELETE CASCADE); "
        "rows of other would go with those of note (ON DELETE CASCADE)"
    )
    assert cook(clean(cascades={"other", "another"})).counts == {"deleted": 1}


def test_a_table_that_is_read_whole_for_each_batch_is_warned_of(engine: Engine) -> None:
    metadata = MetaData()
    plain = Table("plain", metadata, Column("id", Integer, primary_key=True), Column("at", DateTime(timezone=True)))
    metadata.create_all(engine)
    bind(metadata, engine)
    with engine.begin() as connection:
        connection.execute(plain.insert(), [{"id": number, "at": NOW} for number in range(20)])
        connection.execute(plain.insert(), [{"id": 20, "at": days(100)[0]}])

    result = cook(Retention(plain, age=plain.c.at, older_than="90d", safety=ABORT))

    assert result.warnings == ["no index begins with at: each batch reads all 21 rows of plain"]
    assert result.counts == {"deleted": 1}


def test_a_dry_run_tells_what_would_trip(put: Put) -> None:
    put(notes, *rows(11, 0))

    result = cook(clean(), dry_run=True)

    assert result.status == "dry_run"
    assert result.details["trips"] == ["11 rows are 100.0% of 11 rows, more than 5.0%"]
    said = re.sub(" older than [-0-9: ]+ UTC", "", result.message)
    assert said == "would delete 11 of 11 rows of note; but 11 rows are 100.0% of 11 rows, more than 5.0%"


@pytest.mark.parametrize(
    "wrong",
    [
        {"most_rows": -1},
        {"most_fraction": 0},
        {"most_fraction": 5},
        {"on_guard": "ignore"},
        {"window": "midnight"},
        {"window": "01:00"},
        {"batch": 0},
        {"least_age": "soon"},
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Safety(**wrong)


def test_beyond_its_window_it_says_what_is_left(put: Put, rows_of: RowsOf) -> None:
    put(notes, *rows(5, 0))
    minute = datetime.now(UTC) + timedelta(hours=2)
    window = f"{minute:%H:%M}-{minute + timedelta(hours=1):%H:%M}"

    result = cook(clean(window=window))

    assert (result.status, result.message) == ("partial", f"nothing to do, 5 left (its window {window} UTC is over)")
    assert len(rows_of(notes)) == 5
    assert cook(clean(window=f"{minute:%H:%M}-{minute - timedelta(hours=1):%H:%M}"), id=2).counts == {"deleted": 5}
