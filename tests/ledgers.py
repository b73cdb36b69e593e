"""Migrated databases for tests that need one each: fresh on SQLite, emptied between tests on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rota.store import migrate, open_store
from rota.store.database import Dialect, render
from tests.servers import fresh_database


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: str) -> Iterator[str]:
    """A migrated PostgreSQL database that lives for the session: making one for each test would take long."""
    with fresh_database(postgres_server) as url:
        migrated(url)
        yield url


@pytest.fixture
def postgres_ledger(shared_postgres: str) -> str:
    """The shared database, emptied."""
    with psycopg.connect(shared_postgres, autocommit=True) as connection:
        names = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        emptied = "; ".join(f"DELETE FROM {name}" for name in names if name != "rota_migration")
        connection.execute(f"{emptied}; INSERT INTO rota_lease VALUES ('rota:limits', '', 0, 0)".encode())
    return shared_postgres


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> str:
    """A migrated SQLite database; no power cut will happen, so it need not wait for the disk."""
    return migrated(f"sqlite:///{tmp_path / 'rota.db'}?synchronous=normal")


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """An empty, migrated database, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_ledger")
    return url


def newer_code(monkeypatch: pytest.MonkeyPatch) -> int:
    """From now on this code has one migration more, which no database has had yet; returns its number."""
    known = migrate.known_migrations

    def with_one_more(dialect: Dialect) -> list[migrate.Migration]:
        sql = render("ALTER TABLE rota_job ADD COLUMN more BIGINT;", dialect).sql
        return [*known(dialect), migrate.Migration(9, "0009_more", sql)]

    monkeypatch.setattr(migrate, "known_migrations", with_one_more)
    return 9


def migrated(url: str) -> str:
    store = open_store(url)
    migrate.migrate(store.database, store.now_us())
    store.close()
    return url
