"""What the URL of a PostgreSQL database asks for holds."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from rota.store import migrate, open_store


@pytest.mark.parametrize("durable", [True, False])
def test_options_of_the_url_hold_beside_our_own(postgres_url: str, durable: bool) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")
    store = open_store(f"{postgres_url}?options=-csearch_path%3Dmine")
    migrate.migrate(store.database, 1)

    with store.single(durable) as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        shown = [show(connection, name) for name in ("search_path", "idle_in_transaction_session_timeout")]
        place = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'run'").fetchone()
    store.close()

    assert shown == ["mine", "5s"]
    assert place == ("mine",)


def show(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute(f"SHOW {name}".encode()).fetchone()
    assert row is not None
    return str(row[0])
