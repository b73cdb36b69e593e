"""An application's own database: one code for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, Engine, Table, Text, create_engine, event, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from rota.recipes.tables import Instant as Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Json = JSON(none_as_null=True)
HOUR_US = 3_600_000_000


class UtcDate(FunctionElement[str]):
    """The UTC date of an ``Instant`` as text, as in ``2026-08-10``; each database has words of its own for it."""

    type = Text()
    inherit_cache = True


@compiles(UtcDate, "sqlite")
def _date_in_sqlite(element: UtcDate, compiler: Any, **options: Any) -> str:
    return f"date(({compiler.process(element.clauses, **options)}) / 1000000, 'unixepoch')"


@compiles(UtcDate, "postgresql")
def _date_in_postgresql(element: UtcDate, compiler: Any, **options: Any) -> str:
    seconds = f"({compiler.process(element.clauses, **options)}) / 1000000"
    return f"to_char(to_timestamp({seconds}) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


def micros(moment: datetime) -> int:
    if moment.utcoffset() is None:
        raise ValueError(f"{moment!r} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def connect(url: str) -> Engine:
    """An engine for a URL such as ``sqlite:///app.db`` or ``postgresql://user@host/name``."""
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        return create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # or the driver would begin transactions of its own, too late
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def insert_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same columns, by the driver itself: SQLAlchemy takes twice as long to hand very many over. Columns
    that are not named get their defaults, if these are plain values."""
    dialect = connection.dialect
    left_out = [column for column in table.columns if column.name not in rows[0]]
    fixed = {
        column: column.default.arg for column in left_out if isinstance(column.default, ScalarElementColumnDefault)
    }
    columns = [*(table.c[name] for name in rows[0]), *fixed]
    given = [*zip(*(row.values() for row in rows), strict=True), *([value] * len(rows) for value in fixed.values())]
    processors = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
    values = [each if process is None else map(process, each) for process, each in zip(processors, given, strict=True)]
    names = ", ".join(dialect.identifier_preparer.format_column(column) for column in columns)
    marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * len(columns))
    into = f"INSERT INTO {dialect.identifier_preparer.format_table(table)} ({names}) VALUES ({marks})"  # noqa: S608
    connection.exec_driver_sql(into, list(zip(*values, strict=True)))
