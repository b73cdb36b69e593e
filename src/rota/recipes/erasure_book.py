"""Who was forgotten, so that it can be done again after a backup has brought them back. Nothing is ever taken out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import DDL, JSON, Column, Connection, Engine, MetaData, Table, Text, event, select

from rota.errors import ConfigError
from rota.recipes.database import engine_of, table_of, writing
from rota.recipes.erasure_plan import Subject
from rota.recipes.tables import Instant

_COLUMNS = ("id", "subject_hash", "mode", "done_at", "request", "details", "takes_back")
_SQLITE = """
CREATE TRIGGER {name}_no_{verb} BEFORE {verb} ON %(table)s BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"""
_POSTGRES = (
    """
CREATE OR REPLACE FUNCTION {name}_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$""",
    """
CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %(table)s
FOR EACH STATEMENT EXECUTE FUNCTION {name}_append_only()""",
)


def erasure_ledger(
    metadata: MetaData, person: Column[Any], *, name: str = "erasure_ledger", column: str = "subject_id"
) -> Column[Any]:
    """A table for the ledger, which refuses to change or lose a row; returns its ``column``, which keeps the key
    ``person`` of those who were forgotten. It belongs in another database than the people: a backup of theirs must not
    bring back an older ledger as well."""
    table = Table(
        name,
        metadata,
        Column("id", Text, primary_key=True, default=lambda: uuid4().hex),
        Column("subject_hash", Text, nullable=False),
        Column(column, person.type, nullable=False),
        Column("mode", Text, nullable=False),
        Column("done_at", Instant, nullable=False, index=True),
        Column("request", Text),
        Column("details", JSON),
        Column("takes_back", Text),
    )
    for verb in ("UPDATE", "DELETE"):
        _after_create(table, _SQLITE.format(name=name, verb=verb), "sqlite")
    for text in _POSTGRES:
        _after_create(table, text.format(name=name), "postgresql")
    return table.columns[column]


def _after_create(table: Table, text: str, dialect: str) -> None:
    statement: Any = DDL(text)  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", statement.execute_if(dialect=dialect))


def check_ledger(ledger: Column[Any]) -> None:
    missing = [name for name in _COLUMNS if name not in ledger.table.columns]
    if missing:
        raise ConfigError(
            f"erasure: {ledger.table} has no column {missing[0]!r}",
            hint="rota.recipes.erasure_ledger(metadata, …) makes such a table.",
        )


@dataclass(slots=True)
class Book:
    """The ledger, beside a database of people."""

    ledger: Column[Any]
    people: Engine
    _early: dict[str, Any] | None = None
    """An entry that was written before what it tells of."""

    def keep(self, connection: Connection, subject: Subject, details: dict[str, Any]) -> None:
        """In the same transaction, where the ledger lives in the same database; else before that one is committed."""
        row = {"id": uuid4().hex, self.ledger.key: subject.id, "subject_hash": subject.hash, "mode": subject.mode}
        row |= {"request": None if subject.request is None else str(subject.request), "details": details}
        if engine_of(self._table).url == self.people.url:
            self._append(connection, row)
            return
        with writing(engine_of(self._table)) as other:
            self._append(other, row)
        self._early = row

    def settle(self) -> None:
        """What it tells of was committed."""
        self._early = None

    def take_back(self) -> None:
        """What it told of was not committed."""
        if self._early is None:
            return
        row = self._early | {"id": uuid4().hex, "takes_back": self._early["id"], "details": None}
        self.settle()
        with writing(engine_of(self._table)) as other:
            self._append(other, row)

    def entries(self) -> list[Any]:
        """The key, the hash and the mode of all whom it names, in the order in which they were forgotten."""
        of = self._table.c
        taken_back = select(of.takes_back).where(of.takes_back.is_not(None))
        done = (of.takes_back.is_(None), of.id.not_in(taken_back))
        named = select(self.ledger.label("subject_id"), of.subject_hash, of.mode).where(*done)
        with engine_of(self._table).connect() as connection:
            return list(connection.execute(named.order_by(of.done_at, of.id)))

    @property
    def _table(self) -> Table:
        return table_of(self.ledger.table)

    def _append(self, connection: Connection, row: dict[str, Any]) -> None:
        connection.execute(self._table.insert().values(row | {"done_at": datetime.now(UTC)}))
