from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.servers import PostgresServer, ServerError, postgres, with_database


def test_each_test_has_an_empty_database_of_its_own(postgres_server: str, postgres_url: str) -> None:
    assert postgres_url != postgres_server
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert tables == (0,)


def test_a_database_url_comes_in_both_kinds(database_url: str) -> None:
    assert database_url.startswith(("sqlite:////", "postgresql://postgres@127.0.0.1:"))


def test_a_server_comes_back_with_its_data_after_a_stop_and_after_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with PostgresServer() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        for end in (server.stop, server.kill):
            end()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(server.url)
            server.start()
            with psycopg.connect(server.url) as connection:
                assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_given_server_is_used_and_none_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PG_DSN", "host=db.example port=5433 user=ci password='p@ss/word' dbname=main")

    with postgres() as url:
        assert url == "postgresql://ci:p%40ss%2Fword@db.example:5433/main"


def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("tests.servers.Path.glob", lambda path, pattern: iter(()))
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ServerError, match=r"pip install '\.\[test\]'"), PostgresServer():
        pass


@pytest.mark.parametrize(
    "dsn",
    [
        "host=/run/postgresql user=ci dbname=a",
        "postgresql://u:p@h:1/a?sslmode=require",
        "postgresql://h/a",
        "dbname=a",
    ],
)
def test_another_database_of_a_server_keeps_all_else(dsn: str) -> None:
    assert conninfo_to_dict(with_database(dsn, "b")) == conninfo_to_dict(dsn) | {"dbname": "b"}
