"""A sweep rests while the database says that it has much to do, and says why."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine

from rota import Rota, Run
from rota.recipes import Derive, Retention, Safety, bind, pressure, sweep
from rota.recipes.pressure import Pressure
from rota.testing import FakeHome
from tests.engine.helpers import until
from tests.recipes.conftest import cook, days
from tests.recipes.tables import notes


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """SQLite tells of no load."""
    return postgres_url


@pytest.fixture
def old_transaction(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One that began a moment ago is old enough for this test."""
    monkeypatch.setattr(pressure, "OLDEST_SECONDS", 0)
    monkeypatch.setattr(pressure, "REST_SECONDS", 0.01)
    connection = engine.connect()
    connection.exec_driver_sql("SELECT 1")
    yield connection
    connection.close()


def test_what_is_asked_can_be_asked(engine: Engine) -> None:
    found = Pressure(engine, notes)

    assert found.reason() == ""
    assert found._refused == set()


def test_while_a_transaction_is_old_it_rests_and_why_says_so(
    engine: Engine, put: Callable[..., None], old_transaction: Any, tmp_path: Path
) -> None:
    put(notes, {"id": 1, "created_at": days(100)[0]})
    rota = Rota(f"sqlite:///{tmp_path}/ledger.db")
    safety = Safety(most_fraction=None, runaway=None, pause=0)
    rota.job("clean")(Retention(notes, age=notes.c.created_at, older_than="90d", safety=safety))
    with rota.running():
        handle = rota.enqueue("clean")
        until(lambda: "recipe_held" in rota.why_run(handle.id).kinds)
        why = rota.why_run(handle.id).fact("recipe_held")
        assert why is not None
        assert "it rests between two batches: a transaction is" in why.text

        old_transaction.rollback()
        assert handle.wait("20s").state == "succeeded"
    kinds = [event.kind for event in rota.runs.events(handle.id)]
    assert kinds.index("recipe.held") < kinds.index("recipe.resumed")
    rota.close()


def test_a_full_disk_of_the_archive_holds_it(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "not" / "made" / "yet"
    assert Pressure(engine, notes, folder).reason() == ""

    monkeypatch.setattr(pressure, "FREE_BYTES", 2**60)
    monkeypatch.setattr(pressure, "FREE_SHARE", 1.1)

    assert "not/made/yet has " in Pressure(engine, notes, folder).reason()


# --- SQLite


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/notes.db")
    notes.metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_a_batch_that_waited_for_others_lets_them_go_first(lite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection gets in between two batches: the next one waits for its turn, rests once, and goes on."""
    monkeypatch.setattr(pressure, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(pressure, "REST_SECONDS", 0.01)
    monkeypatch.setattr(sweep, "LOOK_SECONDS", 0.0)
    bind(notes.metadata, lite)
    with lite.begin() as connection:
        connection.execute(notes.insert(), [{"id": n, "created_at": days(100)[0]} for n in range(20)])

    def write() -> None:
        with closing(sqlite3.connect(lite.url.database or "", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            threading.Event().wait(0.3)
            other.execute("COMMIT")

    writer = threading.Thread(target=write)

    def work(connection: Connection, keys: Sequence[Any], run: Run) -> dict[str, int]:
        if not writer.ident:
            writer.start()
        return {"seen": len(keys)}

    home = FakeHome()
    safety = Safety(most_fraction=None, runaway=None, pause=0.05, batch=1)

    result = cook(Derive(notes, work, counted_as="seen", safety=safety), home=home)

    writer.join()
    assert result.counts["seen"] == 20
    assert [event for event, _ in home.emitted] == ["recipe.held", "recipe.resumed"]
    assert "the last batch waited 0." in home.emitted[0][1]["reason"]


def test_a_log_that_a_reader_keeps_is_seen(lite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with lite.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.execute(notes.insert().values(id=1, created_at=days(1)[0]))
        connection.commit()
        assert Pressure(lite, notes).reason() == ""
        monkeypatch.setattr(pressure, "LITE_WAL_BYTES", 100)
        assert "a reader keeps it" in Pressure(lite, notes).reason()
