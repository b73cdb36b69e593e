"""A run that is enqueued in the caller's own transaction: rolled back it never was, committed it will be done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from rota import Rota
from rota.errors import ConfigError, StoreError
from rota.testing import ManualClock, run_due

Open = Callable[[str], Any]


def path(url: str) -> str:
    return url.removeprefix("sqlite:///").partition("?")[0]


def engine(url: str) -> Any:
    made = url.replace("postgresql://", "postgresql+psycopg://") if "postgres" in url else f"sqlite:///{path(url)}"
    return create_engine(made, poolclass=NullPool)


def dicts(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def with_dicts(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path(url))
    connection.row_factory = dicts
    return connection


CONNECTIONS: dict[str, tuple[str, Open]] = {
    "sqlite3": ("sqlite", lambda url: closing(sqlite3.connect(path(url)))),
    "sqlite3 with dicts": ("sqlite", lambda url: closing(with_dicts(url))),
    "psycopg": ("postgres", lambda url: closing(psycopg.connect(url))),
    "psycopg with dicts": ("postgres", lambda url: closing(psycopg.connect(url, row_factory=dict_row))),
    "psycopg raw cursors": ("postgres", lambda url: closing(psycopg.connect(url, cursor_factory=psycopg.RawCursor))),
    "connection, sqlite": ("sqlite", lambda url: engine(url).connect()),
    "connection, postgres": ("postgres", lambda url: engine(url).connect()),
    "session, sqlite": ("sqlite", lambda url: Session(engine(url))),
    "session, postgres": ("postgres", lambda url: Session(engine(url))),
}


@pytest.fixture(params=CONNECTIONS)
def joined(request: pytest.FixtureRequest) -> Iterator[tuple[Rota, Any]]:
    kind, open_connection = CONNECTIONS[request.param]
    url = request.getfixturevalue(f"{kind}_ledger")
    app = Rota(url, clock=ManualClock())
    app.job("job")(lambda **_: 7)
    app.job("other", queue="new")(lambda: 7)
    app.prepare()
    with open_connection(url) as connection:
        yield app, connection
    app.close()


def test_rolled_back_it_never_was(joined: tuple[Rota, Any]) -> None:
    app, connection = joined

    app.options(connection=connection).enqueue("job")
    app.handles["job"].options(connection=connection).enqueue_many([{}, {}])
    app.options(connection=connection).enqueue("other")
    assert app.runs.page() == []
    connection.rollback()

    assert app.runs.page() == []
    assert run_due(app) == []


def test_committed_it_is_done(joined: tuple[Rota, Any]) -> None:
    app, connection = joined

    one = app.options(connection=connection).enqueue("job", word="quote ' % :x")
    two, three = app.handles["job"].options(connection=connection).enqueue_many([{}, {}])
    other = app.options(connection=connection).enqueue("other")
    connection.commit()
    run_due(app)

    assert [app.runs.get(each).state for each in (one.id, two, three, other.id)] == ["succeeded"] * 4


def test_keys_and_debounce_hold_within_the_callers_transaction(joined: tuple[Rota, Any]) -> None:
    app, connection = joined

    first = app.options(connection=connection, key="k").enqueue("job")
    second = app.options(connection=connection, key="k").enqueue("job")
    third = app.options(connection=connection, key="d", debounce=5).enqueue("job", n=1)
    fourth = app.options(connection=connection, key="d", debounce=5).enqueue("job", n=2)
    connection.commit()

    assert (first.new, second.new, first.id == second.id) == (True, False, True)
    assert third.id == fourth.id
    assert app.runs.get(third.id).arguments == '{"n":2}'


def test_it_lives_and_dies_with_the_callers_own_rows(joined: tuple[Rota, Any]) -> None:
    app, connection = joined
    execute = connection.execute
    word = text if hasattr(connection, "get_bind") or hasattr(connection, "engine") else str
    execute(word("DROP TABLE IF EXISTS mine"))
    execute(word("CREATE TABLE mine (id INTEGER)"))
    connection.commit()

    for end, expected in ((connection.rollback, 0), (connection.commit, 1)):
        execute(word("INSERT INTO mine VALUES (1)"))
        app.options(connection=connection).enqueue("job")
        end()
        rows = list(execute(word("SELECT * FROM mine")))
        connection.rollback()
        assert (len(rows), len(app.runs.page())) == (expected, expected)


@pytest.mark.parametrize("connection", [object(), "postgresql://x", None.__class__])
def test_what_is_no_connection_is_refused(ledger_url: str, connection: Any) -> None:
    app = Rota(ledger_url)
    app.job("job")(lambda: None)

    with pytest.raises(ConfigError, match="connection was given"):
        app.options(connection=connection).enqueue("job")
    app.close()


def test_a_connection_of_the_other_database_is_refused(sqlite_ledger: str, postgres_ledger: str) -> None:
    for url, other in ((sqlite_ledger, postgres_ledger), (postgres_ledger, sqlite_ledger)):
        app = Rota(url)
        app.job("job")(lambda: None)
        with engine(other).connect() as connection, pytest.raises(ConfigError) as caught:
            app.options(connection=connection).enqueue("job")
        assert "own database" in caught.value.hint or "psycopg" in caught.value.hint
        app.close()


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_database_without_tables_is_told_with_what_to_do(name: str, tmp_path: Path, postgres_url: str) -> None:
    kind, open_ = CONNECTIONS[name]
    url = postgres_url if kind == "postgres" else f"sqlite:///{tmp_path / 'empty.db'}"
    rota = Rota(url)
    rota.job("mail")(lambda: None)

    with open_(url) as connection, pytest.raises(StoreError, match="no tables of Rota") as caught:
        rota.options(connection=connection).enqueue("mail")
    rota.close()

    assert "rota db init" in caught.value.hint


@pytest.mark.parametrize("other", ["other.db", ":memory:"])
def test_a_connection_to_another_file_is_refused(tmp_path: Path, other: str) -> None:
    ours, theirs = Rota(f"sqlite:///{tmp_path / 'ours.db'}"), Rota(f"sqlite:///{tmp_path / 'other.db'}")
    for rota in (ours, theirs):
        rota.job("mail")(lambda: None)
        rota.prepare()

    with closing(sqlite3.connect(other if other == ":memory:" else tmp_path / other)) as connection:
        with pytest.raises(ConfigError, match="ours"):
            ours.options(connection=connection).enqueue("mail")
        connection.commit()
    assert theirs.runs.page() == ours.runs.page() == []
    ours.close()
    theirs.close()


def test_an_engine_has_no_transaction_to_be_part_of(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    rota = Rota(url)
    rota.job("mail")(lambda: None)

    with pytest.raises(ConfigError, match="Engine"):
        rota.options(connection=engine(url)).enqueue("mail")
    rota.close()
