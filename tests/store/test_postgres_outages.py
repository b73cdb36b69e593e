"""What PostgreSQL refuses for a while is told as what it is, and is never a run's failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from rota import Retry, Rota
from rota.errors import StoreUnreachableError
from rota.model.node import NodeSettings
from rota.store import Store, nodes, open_store, queues, runs
from tests.engine.helpers import until
from tests.ledgers import migrated

QUICK = NodeSettings(threads=2, poll=0.1, heartbeat=0.2)


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = open_store(migrated(postgres_url))
    yield store
    store.close()


@pytest.fixture
def other(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else at work in the same database."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def read_only(other: psycopg.Connection[Any], on: bool) -> None:
    """For every session, those under way included."""
    name = other.info.dbname
    other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if on else 'off'}".encode())
    cut(other)


def cut(other: psycopg.Connection[Any]) -> None:
    """All other connections to the same database."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())


def pid(connection: psycopg.Connection[Any]) -> int:
    return connection.info.backend_pid


def writes(store: Store) -> None:
    with store.write() as tx:
        nodes.drain(tx, "nobody", 1)


def refused(step: Callable[[], object]) -> StoreUnreachableError:
    with pytest.raises(StoreUnreachableError) as caught:
        step()
    assert "cannot reach" not in str(caught.value)
    return caught.value


def test_a_read_only_database_is_told_from_one_that_is_away(postgres_url: str, other: psycopg.Connection[Any]) -> None:
    store = open_store(migrated(postgres_url))
    store.close()
    read_only(other, True)

    error = refused(lambda: writes(store))
    store.close()

    assert "takes no writes" in str(error)
    assert "default_transaction_read_only" in error.hint


def test_a_connection_that_was_cut_is_an_outage(store: Store, other: psycopg.Connection[Any]) -> None:
    def cut_between_two_statements() -> None:
        with store.write() as tx:
            nodes.drain(tx, "nobody", 1)
            cut(other)
            with pytest.raises(psycopg.OperationalError):
                nodes.drain(tx, "nobody", 1)
            nodes.drain(tx, "nobody", 1)

    with pytest.raises(StoreUnreachableError, match="cannot reach"):
        cut_between_two_statements()


def test_a_transaction_that_stood_still_for_too_long_is_told(store: Store, other: psycopg.Connection[Any]) -> None:
    def stand_still() -> None:
        with store.write() as tx:
            connection = tx._connection  # type: ignore[attr-defined]
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
            until(lambda: gone(other, pid(connection)))
            nodes.drain(tx, "nobody", 1)

    assert "stood still" in str(refused(stand_still))


def gone(other: psycopg.Connection[Any], session: int) -> bool:
    return other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (session,)).fetchone() is None


def test_a_deadlock_is_told(store: Store, other: psycopg.Connection[Any]) -> None:
    other.execute("SET deadlock_timeout = '1min'")  # so that it is the store's transaction that is ended

    def cross() -> None:
        with store.write() as tx:
            nodes.drain(tx, "nobody", 1)
            waiter.start()
            runs.get(tx, 1)

    def wait() -> None:
        other.execute("LOCK TABLE rota_node")

    with other.transaction():
        other.execute("LOCK TABLE rota_run")
        waiter = threading.Thread(target=wait)
        error = refused(cross)
        waiter.join()

    assert "deadlock" in str(error)


def impatient(url: str) -> Store:
    return open_store(f"{url}?options=-clock_timeout%3D50ms")


def test_a_locked_table_is_told_with_the_process_that_locks_it(
    postgres_url: str, other: psycopg.Connection[Any]
) -> None:
    store = impatient(migrated(postgres_url))

    def look() -> None:
        with store.read() as tx:
            runs.get(tx, 1)

    with other.transaction():
        other.execute("LOCK TABLE rota_run")
        error = refused(look)
    store.close()

    assert f"table rota_run is locked by the server's process {pid(other)}" in str(error)
    assert f"pid = {pid(other)}" in error.hint


def test_a_locked_row_is_told_with_its_table(postgres_url: str, other: psycopg.Connection[Any]) -> None:
    store = impatient(migrated(postgres_url))
    with store.write() as tx:
        queues.ensure(tx, ["default"])

    def pause() -> None:
        with store.write() as tx:
            queues.pause(tx, "default", 1, by="anna", why=None)

    with other.transaction():
        other.execute("UPDATE rota_queue SET paused_at = NULL")
        error = refused(pause)
    store.close()

    assert f"rows of table rota_queue are locked by the server's process {pid(other)}" in str(error)


def test_migrations_wait_longer_for_what_is_under_way(postgres_url: str, other: psycopg.Connection[Any]) -> None:
    store = impatient(migrated(postgres_url))

    with store.database.exclusive() as tx:
        assert tx.script("SHOW lock_timeout") == [("1min",)]
    with store.read() as tx:
        assert show_lock_timeout(tx) == "50ms"
    store.close()


def show_lock_timeout(tx: Any) -> str:
    return str(tx._connection.execute("SHOW lock_timeout").fetchone()[0])


def test_a_run_that_ends_while_the_database_is_read_only_is_done_later(
    postgres_url: str, other: psycopg.Connection[Any]
) -> None:
    app = Rota(postgres_url)
    begun, go = threading.Event(), threading.Event()

    @app.job("patient", retry=Retry(attempts=1), timeout=None)
    def patient() -> str:
        begun.set()
        go.wait(60)
        return "done"

    with app.running(QUICK) as node:
        handle = patient.enqueue()
        assert begun.wait(60)
        read_only(other, True)
        go.set()
        until(lambda: "takes no writes" in (node._runners["finisher"].pulse.error or ""))
        read_only(other, False)
        until(lambda: succeeded(app, handle.id))
    app.close()

    assert (handle.record().crashes, handle.record().attempt) == (0, 1)


def succeeded(app: Rota, run_id: int) -> bool:
    try:
        return app.runs.get(run_id).state == "succeeded"
    except StoreUnreachableError:
        return False
