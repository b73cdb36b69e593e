"""Migrated databases for tests that need one each: copied on SQLite, emptied between tests on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import psycopg
import pytest

from rota.store import migrate, open_store
from rota.store.database import Dialect, render
from tests.servers import fresh_database

COUNT_ANEW = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relname LIKE 'rota%'"


class Emptied:
    """A migrated PostgreSQL database, emptied on a connection that stays: a new one would take longer than the rest."""

    def __init__(self, url: str) -> None:
        self.url = migrated(url)
        self._connection = psycopg.connect(url, autocommit=True)
        names = [
            row[0] for row in self._connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        deletes = [f"DELETE FROM {name}" for name in names if name != "rota_migration"]
        self._empty = "; ".join(
            [*deletes, "INSERT INTO rota_lease VALUES ('rota:limits', '', 0, 0)", COUNT_ANEW]
        ).encode()

    def empty(self) -> None:
        self._connection.execute(self._empty)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: str) -> Iterator[Emptied]:
    """It lives for the session: making one for each test would take long."""
    with fresh_database(postgres_server) as url, closing(Emptied(url)) as shared:
        yield shared


@pytest.fixture
def postgres_ledger(shared_postgres: Emptied) -> str:
    """The shared database, emptied."""
    shared_postgres.empty()
    return shared_postgres.url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to be copied: making its tables takes longer than most tests."""
    file = tmp_path_factory.mktemp("ledger") / "rota.db"
    migrated(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_ledger(migrated_file: Path, tmp_path: Path) -> str:
    """A migrated SQLite database; no power cut will happen, so it need not wait for the disk."""
    copyfile(migrated_file, tmp_path / "rota.db")
    return f"sqlite:///{tmp_path / 'rota.db'}?synchronous=normal"


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
