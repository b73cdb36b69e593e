"""Who was forgotten, so that it can be done again after a backup has brought them back. Nothing is ever taken out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    func,
    select,
)

from rota.recipes.database import engine_of, writing
from rota.recipes.erasure_plan import Subject
from rota.recipes.rows import shown
from rota.recipes.tables import Instant

DONE, FAILED = "done", "failed"
_COLUMNS = ["id", "at", "kind", "subject_id", "subject_hash", "mode", "request", "details"]
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


def erasure_ledger(metadata: MetaData, name: str = "erasure_ledger") -> Table:
    """A table for the ledger, which refuses to change or lose a row. It belongs in another database than the people: a
    backup of theirs must not bring back an older ledger as well."""
    table = Table(
        name,
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("at", Instant, nullable=False),
        Column("kind", Text, nullable=False),
        Column("subject_id", JSON, nullable=False),
        Column("subject_hash", Text, nullable=False, index=True),
        Column("mode", Text, nullable=False),
        Column("request", Text),
        Column("details", JSON),
    )
    for verb in ("UPDATE", "DELETE"):
        _after_create(table, _SQLITE.format(name=name, verb=verb), "sqlite")
    for text in _POSTGRES:
        _after_create(table, text.format(name=name), "postgresql")
    return table


def _after_create(table: Table, text: str, dialect: str) -> None:
    statement: Any = DDL(text)  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", statement.execute_if(dialect=dialect))


def missing_columns(table: Table) -> list[str]:
    return [name for name in _COLUMNS if name not in table.columns]


@dataclass(slots=True)
class Book:
    """Writes to the ledger beside a database of people."""

    ledger: Table
    people: Engine
    _told: str | None = None

    @property
    def is_apart(self) -> bool:
        return engine_of(self.ledger).url != self.people.url

    def keep(self, connection: Connection, subject: Subject, request: Any, details: dict[str, Any]) -> None:
        """In the same transaction, where the ledger lives in the same database; else before that one is committed."""
        if not self.is_apart:
            self._append(connection, DONE, subject, request, details)
            return
        with writing(engine_of(self.ledger)) as other:
            self._append(other, DONE, subject, request, details)
        self._told = subject.hash

    def take_back(self, subject: Subject, request: Any) -> None:
        """The ledger, where it is elsewhere, may say of somebody that it was done, and it was not."""
        if self._told == subject.hash:
            with writing(engine_of(self.ledger)) as other:
                self._append(other, FAILED, subject, request, {})

    def _append(self, connection: Connection, kind: str, subject: Subject, request: Any, details: Any) -> None:
        row = {"subject_id": shown((subject.id,)), "subject_hash": subject.hash, "mode": subject.mode}
        more = {"at": datetime.now(UTC), "kind": kind, "request": str(request), "details": details}
        connection.execute(self.ledger.insert().values(row | more))


def last_entries(connection: Connection, ledger: Table, after: int, limit: int) -> list[Any]:
    """What was done, and was not taken back: of each person the newest entry, in the order that it was made."""
    newest = select(func.max(ledger.c.id)).group_by(ledger.c.subject_hash)
    done = (ledger.c.kind == DONE, ledger.c.id > after, ledger.c.id.in_(newest))
    return list(connection.execute(select(ledger).where(*done).order_by(ledger.c.id).limit(limit)))
