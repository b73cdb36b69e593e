from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Table, create_engine, make_url, select

from rota import JobResult
from rota.recipes import Recipe, bind, tables
from rota.testing import make_run
from tests.recipes.tables import metadata
from tests.servers import Make

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def engine_for(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    return create_engine(address)


def prepared(url: str) -> None:
    engine = engine_for(url)
    metadata.create_all(engine)
    tables.ready(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def make_tables() -> Make:
    return prepared


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The user's own database, as SQLAlchemy makes an engine for it, with its tables and the recipes' own."""
    engine = engine_for(database_url)
    bind(metadata, engine)
    yield engine
    engine.dispose()


@pytest.fixture
def put(engine: Engine) -> Callable[..., None]:
    """``put(table, {…}, {…})`` inserts rows."""

    def put_(table: Table, *rows: dict[str, Any]) -> None:
        with engine.begin() as connection:
            for row in rows:  # each by itself: they may have different columns
                connection.execute(table.insert().values(row))

    return put_


@pytest.fixture
def rows_of(engine: Engine) -> Callable[..., list[Any]]:
    """``rows_of(table)``: all of them, by their keys."""

    def rows_of_(table: Table, *columns: Any) -> list[Any]:
        with engine.connect() as connection:
            found = connection.execute(select(*(columns or [table])).order_by(*table.primary_key.columns)).all()
        return [row[0] if len(columns) == 1 else row for row in found]

    return rows_of_


def cook(recipe: Recipe, *, plan: str | None = None, **options: Any) -> JobResult:
    """Call a recipe as a run does."""
    return recipe(make_run(**{"as_of": NOW, "job": "shop/clean", **options}), plan)


def days(*ago: float) -> Sequence[datetime]:
    return [NOW - timedelta(days=each) for each in ago]
