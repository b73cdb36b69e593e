"""Killed at any point and taken up again, a recipe ends as if nothing had happened; so do two of them at once."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, inspect, select

from rota.recipes import audit
from rota.recipes.tables import sweeps
from tests.engine.helpers import until
from tests.recipes import cooked
from tests.recipes.conftest import NOW
from tests.recipes.tables import events, notes

ROWS = 400
Start = Callable[[int], tuple[Any, Any]]


@pytest.fixture(params=["delete", "anonymise"])
def recipe(request: pytest.FixtureRequest, engine: Engine) -> str:
    """With rows for either, all of which are old."""
    old = NOW - timedelta(days=500)
    with engine.begin() as connection:
        connection.execute(notes.insert(), [{"id": n, "created_at": old} for n in range(ROWS)])
        rows = [{"id": UUID(int=n), "at": old.replace(tzinfo=None), "user_id": n} for n in range(ROWS)]
        connection.execute(events.insert(), [{**row, "metadata": {"email": "x", "n": row["user_id"]}} for row in rows])
    return str(request.param)


@pytest.fixture(scope="session")
def quick() -> Any:
    """Processes that have imported everything when they begin."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.recipes.cooked"])
    return context


@pytest.fixture
def start(recipe: str, database_url: str, quick: Any) -> Start:
    def start_(number: int) -> tuple[Any, Any]:
        told = quick.SimpleQueue()
        process = quick.Process(target=cooked.attempt, args=(database_url, recipe, number, told))
        process.start()
        return process, told

    return start_


def done(engine: Engine) -> int:
    if not inspect(engine).has_table(sweeps.name):
        return 0
    with engine.connect() as connection:
        return int(connection.scalar(select(func.coalesce(func.sum(sweeps.c.changed), 0))) or 0)


def finish(started: tuple[Any, Any]) -> int:
    """How many rows it says were changed, by all attempts."""
    process, told = started
    counts = told.get()
    process.join(60)
    assert process.exitcode == 0
    return int(next(iter(counts.values())))


def check_rows(engine: Engine, recipe: str) -> None:
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(audit.c.count))) == ROWS
        if recipe == "delete":
            assert connection.scalar(select(func.count()).select_from(notes)) == 0
            return
        left: list[Any] = [tuple(row) for row in connection.execute(select(events.c.user_id, events.c.metadata))]
        assert sorted(left, key=lambda row: row[1]["n"]) == [(None, {"n": n}) for n in range(ROWS)]


@pytest.mark.long
def test_killed_ten_times_the_end_is_that_of_an_undisturbed_run(engine: Engine, recipe: str, start: Start) -> None:
    chance = random.Random(7)
    for attempt in range(1, 11):
        process, _ = start(attempt)
        goal = attempt * ROWS // 12 + chance.randrange(10)
        until(lambda goal=goal: done(engine) >= goal)
        process.kill()
        process.join()

    assert finish(start(11)) == ROWS
    check_rows(engine, recipe)


@pytest.mark.defect("MB-B11", "ALL-1")
def test_two_at_once_do_each_row_once(engine: Engine, recipe: str, start: Start) -> None:
    for process, _ in [start(1), start(2)]:
        process.join(60)

    assert finish(start(3)) == ROWS
    check_rows(engine, recipe)
