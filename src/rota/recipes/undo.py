"""Put back what a run removed, from its archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Table, null, select
from sqlalchemy.ext.compiler import compiles

from rota.errors import ConflictError, NotFoundError
from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.archive import Sink
from rota.recipes.archive_rows import decode, key_of
from rota.recipes.database import alike_rows, reading, writing
from rota.recipes.rows import Rows, read_key, shown


@dataclass(frozen=True, slots=True)
class Undone:
    restored: int
    existing: list[Any]
    """Keys of rows that are there again, and were left as they are."""


def undo(engine: Engine, sink: Sink, rows: Rows, run: str, *, by: str, within: Age) -> Undone:
    """Batch by batch, the last one first. Once more finds everything there, and changes nothing.

    Raises:
        NotFoundError: the run has removed nothing, or kept nothing of it.
        ConflictError: it is longer ago than ``within``; or it has changed rows, and removed none.
        ArchiveError: an archive is not what was written.
    """
    now = datetime.now(UTC)
    with reading(engine) as connection:
        mine = (
            tables.audit.c.run == run,
            tables.audit.c.target_table == rows.table.name,
            tables.audit.c.action != "undo",
        )
        batches = connection.execute(select(tables.audit).where(*mine).order_by(tables.audit.c.id.desc())).all()
    kept = [batch for batch in batches if batch.archive]
    if not kept:
        raise NotFoundError(
            f"run {run} has kept no rows of {rows.table.name}",
            hint="Only a recipe with archive_to= keeps what it removes.",
        )
    if not (removed := [batch for batch in kept if batch.action == "delete"]):
        raise ConflictError(
            f"run {run} has changed rows of {rows.table.name} ({kept[0].action}) and removed none",
            hint="Only what was removed is put back. What the rows were is in the archive.",
        )
    if kept[-1].at < within.before(now):
        raise ConflictError(f"run {run} is longer ago than {within}", hint="A longer time may be given: --within 90d.")
    restored, existing = 0, list[Any]()
    for batch in removed:
        with writing(engine) as connection:
            found = list(sink.read(connection, batch.archive))
            there: list[Any] = _there(connection, rows, found)
            back = [decode(rows.table, row) for row in found if key_of(rows, row) not in there]
            if back:
                _insert(connection, rows.table, back)
                _record(connection, batch, rows, by, len(back))
        restored += len(back)
        existing += there
    return Undone(restored, existing)


class _Overriding(Insert):
    """With keys that the database makes ALWAYS by itself: these are its own, of before."""

    inherit_cache = True


@compiles(_Overriding, "postgresql")
def _override(element: _Overriding, compiler: Any, **options: Any) -> str:
    text: str = compiler.visit_insert(element, **options)
    return text.replace(") VALUES", ") OVERRIDING SYSTEM VALUE VALUES", 1)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """``None`` is NULL, also where a column would make the null of JSON of it."""
    for alike in alike_rows([{name: value for name, value in row.items() if value is not None} for row in rows]):
        empty = {name: null() for name in rows[0] if name not in alike[0]}
        connection.execute(_Overriding(table).values(empty), alike)


def _there(connection: Connection, rows: Rows, found: list[dict[str, Any]]) -> list[Any]:
    keys = [key for row in found if (key := read_key(rows, key_of(rows, row))) is not None]
    everywhere = Rows.older(rows.table, None, None, None, datetime.now(UTC))
    if not keys:
        return []
    return [shown(tuple(row)) for row in connection.execute(select(*rows.key).where(everywhere.among(keys)))]


def _record(connection: Connection, batch: Any, rows: Rows, by: str, count: int) -> None:
    row = {
        "at": datetime.now(UTC),
        "job": batch.job,
        "run": batch.run,
        "actor": by,
        "action": "undo",
        "target_table": rows.table.name,
        "count": count,
    }
    connection.execute(tables.audit.insert().values(row))
