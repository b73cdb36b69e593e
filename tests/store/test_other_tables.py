"""Rota in a database that others use, too: its tables are told by their prefix or schema, and theirs are left alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from rota import Rota
from rota.errors import ConfigError, SchemaError, StoreError, StoreUnreachableError
from rota.store import Store, migrate, open_store, runs, schema
from rota.store.tables import tables
from rota.testing import ManualClock, run_due
from tests.ledgers import newer_code

OLD_LEDGER = """
CREATE TABLE migration (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);
INSERT INTO migration VALUES (1, '0001_initial', 7);
CREATE TABLE run (id BIGINT);
CREATE TABLE schedule (name TEXT);
"""
LOOKS = ["migrate", "check", "peek"]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = open_store(database_url, ManualClock())
    yield store
    store.close()


def script(store: Store, sql: str) -> list[tuple[Any, ...]]:
    with store.database.exclusive() as tx:
        return tx.script(sql.replace("; ", ";\n"))


def look(store: Store, how: str) -> None:
    if how == "migrate":
        migrate.migrate(store.database, 1)
    else:
        getattr(migrate, how)(store.database)


def names(store: Store) -> set[str]:
    """Of all tables and indexes that somebody has made."""
    if store.database.dialect.name == "sqlite":
        found = script(store, "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%';")
    else:
        found = script(store, "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
    return {name for (name,) in found}


# --- the prefix


def test_every_table_and_index_has_the_prefix(store: Store) -> None:
    migrate.migrate(store.database, 1)

    assert {name for name in names(store) if not name.startswith("rota_")} == set()
    assert names(store) >= tables().keys()


def test_the_tables_are_those_that_the_migrations_make_with_just_their_columns(store: Store) -> None:
    migrate.migrate(store.database, 1)

    with store.read() as tx:
        assert schema.columns(tx, tables()) == tables()


def test_an_application_has_tables_of_the_names_that_ours_once_had(store: Store, database_url: str) -> None:
    script(store, "CREATE TABLE event (id BIGINT); CREATE TABLE job (id BIGINT); CREATE TABLE log (id BIGINT);")
    script(store, "CREATE TABLE migration (id BIGINT, name TEXT);")
    app = Rota(database_url, clock=ManualClock())
    app.job("job")(lambda: 7)
    app.prepare()
    handle = app.enqueue("job")

    run_due(app)
    app.close()

    assert handle.result == 7
    assert script(store, "SELECT count(*) FROM event;") == [(0,)]


# --- collisions


@pytest.mark.parametrize("how", LOOKS)
def test_a_table_of_our_name_that_no_migration_made_is_told_and_left_alone(store: Store, how: str) -> None:
    script(store, "CREATE TABLE rota_event (id BIGINT); CREATE TABLE rota_run (id BIGINT);")

    with pytest.raises(SchemaError, match="no migration of Rota made: rota_event, rota_run") as caught:
        look(store, how)

    assert "a database of its own" in caught.value.hint
    assert names(store) == {"rota_event", "rota_run"}


@pytest.mark.parametrize("how", LOOKS)
def test_a_migration_table_that_is_not_ours_is_told(store: Store, how: str) -> None:
    script(store, "CREATE TABLE rota_migration (app TEXT, name TEXT);")

    with pytest.raises(SchemaError, match="no migration of Rota made: rota_migration"):
        look(store, how)


@pytest.mark.parametrize("how", LOOKS)
def test_a_table_that_lacks_a_column_is_told_by_both_names(store: Store, how: str) -> None:
    migrate.migrate(store.database, 1)
    script(store, "ALTER TABLE rota_bucket RENAME COLUMN full_at TO at;")

    with pytest.raises(SchemaError, match="table rota_bucket has no column full_at") as caught:
        look(store, how)

    assert "backup" in caught.value.hint


@pytest.mark.parametrize("how", LOOKS)
def test_a_table_that_somebody_dropped_is_told(store: Store, how: str) -> None:
    migrate.migrate(store.database, 1)
    script(store, "DROP TABLE rota_log;")

    with pytest.raises(SchemaError, match="table rota_log is not there"):
        look(store, how)


def test_an_older_ledger_may_lack_what_is_still_to_come(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.migrate(store.database, 1)
    newer_code(monkeypatch)

    assert migrate.peek(store.database).missing == ["0009_more"]
    migrate.migrate(store.database, 2)
    migrate.check(store.database)


def test_a_column_that_is_gone_under_a_node_is_no_matter_of_the_disk(store: Store) -> None:
    migrate.migrate(store.database, 1)
    script(store, "ALTER TABLE rota_run DROP COLUMN asked_by;")

    with pytest.raises(SchemaError, match="asked_by") as caught, store.read() as tx:
        runs.get(tx, 1)

    assert caught.value.hint == "Look closer: rota db check"


# --- a ledger from before the prefix


@pytest.mark.parametrize("how", LOOKS)
def test_an_older_ledger_without_the_prefix_is_never_taken_for_an_empty_database(store: Store, how: str) -> None:
    script(store, OLD_LEDGER)

    with pytest.raises(SchemaError, match=r"older Rota.*: migration, run, schedule") as caught:
        look(store, how)

    assert "drop these tables" in caught.value.hint
    assert "another file or database" in caught.value.hint
    assert not any(name.startswith("rota_") for name in names(store))


def test_an_application_does_not_start_beside_an_older_ledger(store: Store, database_url: str) -> None:
    script(store, OLD_LEDGER)
    app = Rota(database_url)

    with pytest.raises(SchemaError, match="older Rota"):
        app.prepare()
    app.close()


def test_once_its_tables_are_dropped_the_way_is_free(store: Store) -> None:
    script(store, OLD_LEDGER)
    script(store, "DROP TABLE migration; DROP TABLE run; DROP TABLE schedule;")

    assert migrate.migrate(store.database, 1)


def test_another_tools_migration_table_of_the_same_columns_is_no_ledger(store: Store) -> None:
    script(store, OLD_LEDGER.replace("0001_initial", "create_users"))

    assert migrate.migrate(store.database, 1)
    assert script(store, "SELECT name FROM migration;") == [("create_users",)]


# --- schemas


def opened(url: str, schema: str | None) -> Store:
    store = open_store(url, ManualClock(), schema=schema)
    migrate.migrate(store.database, 1)
    return store


def application(url: str, schema: str | None) -> Rota:
    """On a schema, as the settings will say it."""
    app = Rota(url, clock=ManualClock())
    app.__dict__["store"] = store = opened(url, schema)
    store.tell = app.listeners.tell
    app.job("job")(lambda: schema)
    return app


def test_the_tables_are_in_the_schema_and_nowhere_else(postgres_url: str) -> None:
    opened(postgres_url, "one").close()

    with psycopg.connect(postgres_url) as connection:
        places = connection.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'rota_%'"
        ).fetchall()
        indexes = connection.execute("SELECT DISTINCT schemaname FROM pg_indexes WHERE indexname LIKE 'rota_%'")
        assert places == indexes.fetchall() == [("one",)]


def test_ledgers_of_one_database_know_nothing_of_each_other(postgres_url: str) -> None:
    apps = [application(postgres_url, schema) for schema in (None, "one", "two")]
    handles = [app.enqueue("job") for app in apps]

    assert [len(run_due(app)) for app in apps] == [1, 1, 1]
    assert [(handle.id, handle.result) for handle in handles] == [(1, None), (1, "one"), (1, "two")]
    for app in apps:
        app.close()


def test_a_schema_that_is_called_like_a_word_of_the_language(postgres_url: str) -> None:
    app = application(postgres_url, "order")
    handle = app.enqueue("job")

    run_due(app)

    assert handle.result == "order"
    app.store.database.probe()
    app.store.database.vacuum()
    app.close()


def test_a_run_that_is_enqueued_on_the_callers_connection_goes_to_the_schema(postgres_url: str) -> None:
    """Whatever the search path of that connection is."""
    app = application(postgres_url, "one")
    app.prepare()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SET search_path = pg_catalog")
        app.options(connection=connection).enqueue("job")

    assert [run.job for run in run_due(app)] == ["job"]
    app.close()


def test_a_hint_of_work_wakes_no_other_ledger_of_the_database(postgres_url: str) -> None:
    stores = [opened(postgres_url, place) for place in ("one", "two", None)]
    heard = []
    with ExitStack() as stack:
        for store in stores:
            connection = stack.enter_context(psycopg.connect(postgres_url, autocommit=True))
            connection.execute(f'LISTEN "{store.database.dialect.channel}"'.encode())  # type: ignore[attr-defined]
            heard.append(connection)
        for store in stores:
            with store.write() as tx:
                tx.announce()

        assert [len(list(connection.notifies(timeout=0.5))) for connection in heard] == [1, 1, 1]
    for store in stores:
        store.close()


def test_a_node_hears_the_hint_of_its_schema(postgres_url: str) -> None:
    one, sender = opened(postgres_url, "one"), open_store(postgres_url, schema="one")
    woken, stopping = threading.Event(), threading.Event()
    one.wakes.append(woken.set)
    listener = threading.Thread(target=one.listen, args=(lambda: "a-node", stopping))
    listener.start()

    while not woken.wait(0.05):  # it may not listen yet
        assert listener.is_alive()
        with sender.write() as tx:
            tx.announce()
    stopping.set()
    listener.join(60)

    assert not listener.is_alive()
    one.close()
    sender.close()


def test_the_error_of_a_lock_names_the_table_of_the_schema(postgres_url: str) -> None:
    store = open_store(f"{postgres_url}?options=-clock_timeout%3D50ms", schema="one")
    migrate.migrate(store.database, 1)
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE one.rota_run")
        with pytest.raises(StoreUnreachableError, match="table rota_run is locked by the server's process"):
            look_at_a_run(store)
    store.close()


def look_at_a_run(store: Store) -> None:
    with store.read() as tx:
        runs.get(tx, 1)


def test_a_schema_that_was_never_prepared_has_no_tables(postgres_url: str) -> None:
    opened(postgres_url, None).close()
    store = open_store(postgres_url, schema="one")

    with pytest.raises(StoreError, match="no tables of Rota yet"):
        migrate.check(store.database)
    with pytest.raises(StoreError, match="no tables of Rota yet"):
        look_at_a_run(store)
    store.close()


def test_who_may_make_no_schema_is_told_so_and_may_use_one_that_is_there(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS plain")
        owner.execute("CREATE ROLE plain LOGIN")
        try:
            store = open_store(f"{postgres_url}?options=-c%20role%3Dplain", schema="one")
            with pytest.raises(SchemaError, match="no schema one, and plain may make none") as caught:
                migrate.migrate(store.database, 1)
            assert caught.value.hint == 'Have its owner run: CREATE SCHEMA one AUTHORIZATION "plain"'

            owner.execute(caught.value.hint.partition(": ")[2].encode())
            assert migrate.migrate(store.database, 1)
            store.close()
        finally:
            owner.execute("DROP OWNED BY plain CASCADE")
            owner.execute("DROP ROLE plain")


@pytest.mark.parametrize("name", ["", "My", "a-b", "a.b", 'a"b', "1a", "a b", "pg_mine", "a" * 64, "ä", "a\n", "a;"])
def test_what_is_no_plain_name_of_a_schema_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a schema") as caught:
        open_store("postgresql://me@127.0.0.1:1/db", schema=name)

    assert "small letters" in caught.value.hint


def test_two_schemas_of_long_names_have_channels_that_the_server_takes(postgres_url: str) -> None:
    store = opened(postgres_url, "a" * 63)

    with store.write() as tx:
        tx.announce()
    store.close()


def test_a_schema_on_sqlite_is_refused(sqlite_url: str) -> None:
    with pytest.raises(ConfigError, match="no schemas, and 'one' was asked for") as caught:
        open_store(sqlite_url, schema="one")

    assert "rota_" in caught.value.hint
