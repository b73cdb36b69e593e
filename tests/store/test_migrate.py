"""Migrations: once each, by one process at a time, and never against a newer schema."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rota import Rota
from rota.errors import ConfigError, SchemaError, StoreError, StoreUnreachableError
from rota.store import Store, migrate, open_store, runs
from tests.ledgers import newer_code


@pytest.fixture
def store(database_url: str) -> Any:
    store = open_store(database_url)
    yield store
    store.close()


def applied(store: Store) -> list[tuple[Any, ...]]:
    with store.database.exclusive() as tx:
        return tx.script("SELECT number, name FROM rota_migration ORDER BY number;")


def test_what_is_missing_is_applied_and_the_second_time_nothing_is(store: Store) -> None:
    names = [migration.name for migration in migrate.known_migrations(store.database.dialect)]

    assert migrate.migrate(store.database, 1) == names
    assert migrate.migrate(store.database, 2) == []
    assert [name for _, name in applied(store)] == names
    assert migrate.status(store.database).current
    migrate.check(store.database)


def test_several_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    """Each thread has a store of its own, as a process has, and the file does not exist yet."""
    gate, found, failed = threading.Barrier(4), [], []

    def begin() -> None:
        store = open_store(database_url)
        gate.wait()
        try:
            found.append(migrate.migrate(store.database, 1))
        except Exception as error:
            failed.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert [len(names) > 0 for names in found].count(True) == 1


def test_a_newer_schema_is_refused_and_left_as_it_is(store: Store, database_url: str) -> None:
    migrate.migrate(store.database, 1)
    with store.database.exclusive() as tx:
        tx.script("INSERT INTO rota_migration VALUES (9999, 'from the future', 1);")
    before = applied(store)

    for step in (
        lambda: migrate.migrate(store.database, 2),
        lambda: migrate.check(store.database),
        Rota(database_url).prepare,
    ):
        with pytest.raises(SchemaError, match="newer than") as caught:
            step()
        assert "Upgrade Rota" in caught.value.hint
    assert applied(store) == before


def test_an_older_schema_is_refused_with_the_command_that_helps(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.migrate(store.database, 1)
    newest = newer_code(monkeypatch)

    for step in (lambda: migrate.check(store.database), Rota(database_url).prepare):
        with pytest.raises(SchemaError, match=f"this Rota needs {newest}") as caught:
            step()
        assert caught.value.hint == "Run: rota db migrate"
    assert migrate.migrate(store.database, 2) == ["0009_more"]
    migrate.check(store.database)


def test_an_empty_database_is_told_from_one_that_is_away(store: Store) -> None:
    with pytest.raises(StoreError, match="no tables of Rota") as caught, store.read() as tx:
        runs.get(tx, 1)

    assert not isinstance(caught.value, StoreUnreachableError)
    assert "rota db init" in caught.value.hint


def test_a_migration_that_fails_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.exclusive() as tx:
        migrate_half(tx)

    with pytest.raises(Exception, match="half"), store.database.exclusive() as tx:
        tx.script("SELECT * FROM half;")


def migrate_half(tx: Any) -> None:
    tx.script("CREATE TABLE half (id BIGINT);")
    raise ZeroDivisionError


@pytest.mark.parametrize("url", ["mysql://root@host/db", "sqlite://", "sqlite:///:memory:", "", "redis://x"])
def test_a_database_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        open_store(url)
