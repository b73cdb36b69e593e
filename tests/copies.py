"""Copies of databases, as people make them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

from tests.servers import with_database

Change = Callable[[str], None]


@contextmanager
def copy_of(url: str, name: str) -> Iterator[str]:
    """The URL of a copy that lasts as long as the block; on PostgreSQL, nobody may be connected to the original."""
    if url.startswith("sqlite"):
        file = path_of(url)
        yield f"sqlite:///{backup(file, file.with_name(f'{name}.db'))}"
        return
    original = url.rpartition("/")[2]
    copied = f"{original}_{name}"
    cut_off(url)
    execute(with_database(url, "postgres"), f"CREATE DATABASE {copied} TEMPLATE {original}")
    try:
        yield with_database(url, copied)
    finally:
        execute(with_database(url, "postgres"), f"DROP DATABASE {copied} WITH (FORCE)")


def backup(source: Path, target: Path) -> Path:
    """A whole copy of a SQLite file; into one that is there, it is put back in place, under whoever has it open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    return target


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///").partition("?")[0])


def cut_off(url: str) -> None:
    """Connections that were closed a moment ago may still be known to the server."""
    name = url.rpartition("/")[2]
    ending = f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{name}'"
    execute(with_database(url, "postgres"), ending)


def execute(url: str, *statements: str) -> None:
    """Behind Rota's back."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(path_of(url))) as file, file:
            for statement in statements:
                file.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
