from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Column, DateTime, Engine, Integer, MetaData, Table, Text

from rota.recipes import Check, Health, bind
from rota.testing import FakeHome
from tests.recipes.conftest import NOW, cook

metadata = MetaData()
samples = Table(
    "sample",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True)),
    Column("status", Text),
    Column("checks", JSON),
)
RowsOf = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def _tables(engine: Engine) -> None:
    metadata.create_all(engine)
    bind(metadata, engine)


def health(value: Any = 0.0, **options: Any) -> Health:
    def measure() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return Health(
        [Check(name="memory", measure=measure, warning=0.8, critical=0.9, message="{value:.0%} used")],
        samples,
        **options,
    )


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.5, "healthy"),
        (0.8, "healthy"),
        (0.81, "degraded"),
        (0.9, "degraded"),
        (0.91, "unhealthy"),
        (None, "healthy"),
        (OSError("secret"), "unhealthy"),
    ],
)
def test_the_worst_check_says_how_all_is(rows_of: RowsOf, value: Any, status: str) -> None:
    result = cook(health(value))

    assert (result.message, rows_of(samples, samples.c.status)) == (status, [status])
    assert "secret" not in str(result.as_dict())


def test_what_does_not_answer_is_critical_and_holds_nobody_up() -> None:
    never = threading.Event()
    try:
        result = cook(Health([Check(name="stuck", measure=lambda: never.wait() or 0.0, timeout=0.01)], samples))
    finally:
        never.set()

    assert result.details["checks"]["stuck"]["message"] == "no answer in 0.01 s"
    assert result.message == "unhealthy"


def told(value: Any, minutes: float, **options: Any) -> list[str]:
    home = FakeHome()
    cook(health(value, **options), as_of=NOW + timedelta(minutes=minutes), home=home)
    return [kind.removeprefix("health.") for kind, _ in home.emitted if not kind.endswith("completed")]


def test_it_is_told_once_and_again_after_five_minutes_and_when_it_is_well_again() -> None:
    said = [
        told(value, minutes)
        for value, minutes in [(0.85, 0), (0.85, 4), (0.85, 5), (0.95, 6), (0.85, 7), (0.1, 8), (0.1, 9)]
    ]

    assert said == [["alerts"], [], ["alerts"], ["alerts"], ["alerts"], ["resolved"], []]


def test_what_must_not_be_missed_is_told_each_time() -> None:
    assert [told(0.95, minutes, at_once=frozenset({"memory"})) for minutes in (0, 1)] == [["alerts"], ["alerts"]]


def test_a_dry_run_looks_alone(rows_of: RowsOf) -> None:
    home = FakeHome()

    assert cook(health(0.95), dry_run=True, home=home).status == "dry_run"
    assert (rows_of(samples), home.emitted) == ([], [])
