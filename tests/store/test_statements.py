"""A noun's statements are called by the noun's module, and their columns are those of its dataclasses."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import rota
from rota.store.database import load_queries, render
from rota.store.postgres import PostgresDialect
from rota.store.rows import RECORDS, as_row, columns, record
from rota.store.sqlite import SqliteDialect
from rota.store.tables import tables

SOURCE = Path(rota.__file__).parent
NAMES = {path.name.partition(".")[0] for path in (SOURCE / "store/sql").glob("*.sql")}
CALL = re.compile(rf"\"((?:{'|'.join(NAMES)})\.[a-z_{{}}]+)\"")
DIALECTS = [SqliteDialect(), PostgresDialect(), PostgresDialect("mine")]


def statements() -> set[str]:
    found = set()
    for path in (SOURCE / "store/sql").glob("*.sql"):
        noun = path.name.partition(".")[0]
        found |= {f"{noun}.{name}" for name in re.findall(r"^-- name: (\w+)$", path.read_text(), re.MULTILINE)}
    return found


def called(*, within: bool) -> dict[str, set[str]]:
    """Which statements each module calls, of the store or of everything else."""
    store = SOURCE / "store"
    paths = [path for path in SOURCE.rglob("*.py") if path.is_relative_to(store) == within]
    return {path.stem if within else str(path): set(CALL.findall(path.read_text())) for path in paths}


def test_each_statement_is_called_and_by_the_module_of_its_noun_alone() -> None:
    by_module = called(within=True)
    by_module.pop("database")

    assert set().union(*by_module.values()) == statements()
    for module, names in by_module.items():
        assert {name.partition(".")[0] for name in names} <= {module}


@pytest.mark.parametrize("dialect", DIALECTS, ids=["sqlite", "postgres", "schema"])
def test_no_mark_and_no_bare_table_is_left_in_a_statement(dialect: PostgresDialect) -> None:
    for name, query in load_queries(dialect).items():
        assert "/*" not in query.sql, name
        if dialect.name == "postgres" and dialect.schema:
            assert not re.search(rf"(?<!\.)\b({'|'.join(tables())})\b", query.sql), name


def test_a_mark_of_a_noun_stands_for_the_fields_of_its_dataclass() -> None:
    found = render("INSERT INTO x (/* columns(lease) */) VALUES (/* parameters(lease) */)", SqliteDialect())

    assert found.sql == "INSERT INTO x (name, holder, term, expires_at) VALUES (:name, :holder, :term, :expires_at)"
    assert render("SELECT * FROM /* rows(lease) */", SqliteDialect()).columns == (
        ("name", "text"),
        ("holder", "text"),
        ("term", "bigint"),
        ("expires_at", "bigint"),
    )


@pytest.mark.parametrize("noun", RECORDS)
def test_a_record_comes_back_from_its_row(noun: str) -> None:
    kind = RECORDS[noun]
    row = tuple(range(len(columns(noun))))

    if is_dataclass(kind):
        assert as_row(record(kind, row)) == row
    else:
        assert kind._make(row) == row  # type: ignore[attr-defined]


STILL_BY_NAME = {"finisher", "heartbeat", "identity", "limits", "node", "strays", "watcher", "worker"}
"""Modules of the engine that still call statements themselves."""


def test_nobody_outside_the_store_calls_a_statement() -> None:
    found = {path: names for path, names in called(within=False).items() if Path(path).stem not in STILL_BY_NAME}

    assert len(found) > 50
    assert {path: names for path, names in found.items() if names} == {}
