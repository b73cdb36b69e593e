"""A sweep rests while the database says that it has much to do, and says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from rota import Rota
from rota.recipes import Retention, Safety, pressure
from rota.recipes.pressure import Pressure
from tests.engine.helpers import until
from tests.recipes.conftest import days
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
