"""What the URL of a PostgreSQL database asks for holds."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from rota import Rota
from rota.errors import ConfigError, StoreUnreachableError
from rota.store import migrate, open_store
from rota.store.database import without_password
from tests.engine.helpers import until
from tests.servers import with_database

SHOWN = ("search_path", "idle_in_transaction_session_timeout", "enable_seqscan", "jit", "default_transaction_isolation")


@pytest.mark.parametrize("durable", [True, False])
def test_options_of_the_url_hold_beside_our_own(postgres_url: str, durable: bool) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA mine")
    store = open_store(f"{postgres_url}?options=-csearch_path%3Dmine")
    migrate.migrate(store.database, 1)

    with store.single(durable) as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        shown = [show(connection, name) for name in SHOWN]
        place = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'rota_run'").fetchone()
    store.close()

    assert shown == ["mine", "5s", "off", "off", "read committed"]
    assert place == ("mine",)


def show(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute(f"SHOW {name}".encode()).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hun/ter2@host:5/db", "postgresql://me:***@host:5/db"),
        ("postgresql://me:hun@ter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hunter#2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hun?ter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hunter%2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://h/db?sslmode=require&password=hun@ter2", "postgresql://h/db?sslmode=require&password=***"),
        ("postgresql://h/db?sslpassword=hunter2&user=me", "postgresql://h/db?sslpassword=***&user=me"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:////srv/a:b@c/app.db", "sqlite:////srv/a:b@c/app.db"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgres:/u:s3cr3t@h/db",
        "postgresql:u:s3cr3t@h/db",
        "postgresql:///u:s3cr3t@h/db",
        "host=h password=s3cr3t dbname=x",
        "host=h PASSWORD = 's3cr3t and \\'s3cr3t' dbname=x",
        "postgresql://h/db?passwd=s3cr3t",
    ],
)
def test_nor_is_one_in_a_text_that_is_no_proper_url(text: str) -> None:
    assert "s3cr3t" not in without_password(text)
    with pytest.raises(ConfigError) as caught:
        open_store(text)
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("password", ["hun/ter2", "hunter%2", "hun@ter2", "17/ter2", "hun@ter/2"])
def test_a_password_that_is_not_encoded_is_a_mistake_that_repeats_none_of_it(password: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(f"postgresql://me:{password}@127.0.0.1:1/db")

    assert str(caught.value) == "the database URL cannot be read"
    assert "Percent-encode" in caught.value.hint
    assert caught.value.__context__ is None


@pytest.mark.parametrize("password", ["hunter#2", "hun?ter2", "hun%2Fter2"])
def test_an_error_of_the_server_shows_no_password(password: str) -> None:
    store = open_store(f"postgresql://me:{password}@127.0.0.1:1/db?application_name=x")

    with pytest.raises(StoreUnreachableError) as caught, store.read():
        pass

    assert str(caught.value).startswith("cannot reach postgresql://me:***@127.0.0.1:1/db: ")
    assert "hun" not in str(caught.value)


def test_a_store_at_rest_gives_connections_back(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.store.postgres_connections.IDLE_SECONDS", 0.1)
    store = open_store(postgres_url)
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rota' AND datname = current_database()"

    with psycopg.connect(postgres_url, autocommit=True) as other:
        with store.read(), store.read(), store.single(durable=False):
            # The pool may have opened one more while somebody waited for its first.
            assert other.execute(asked).fetchone() in {(3,), (4,)}
        until(lambda: other.execute(asked).fetchone() == (1,))
    store.close()


def test_a_database_of_unknown_encoding_gives_text_all_the_same(postgres_server: str) -> None:
    name = f"ascii{uuid.uuid4().hex[:8]}"
    made = f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(made.encode())
        app = Rota(with_database(postgres_server, name))
        app.job("greet")(lambda name: f"Grüße, {name} 🦆")
        handle = app.enqueue("greet", name="Zoë")
        with app.running():
            handle.wait(60)
        found = (handle.state, handle.result, app.store.database.facts()["version"][:1])
        app.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    assert found == ("succeeded", "Grüße, Zoë 🦆", found[2])
    assert isinstance(found[2], str)


def test_what_the_server_says_against_our_options_is_told(postgres_url: str) -> None:
    store = open_store(f"{postgres_url}?options=-cnonsense%3D1")

    with pytest.raises(StoreUnreachableError, match="nonsense"), store.read():
        pass
