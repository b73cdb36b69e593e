"""The user's own database: which one a table lives in, and transactions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, MetaData, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from rota.errors import ConfigError
from rota.shown import shown

T = TypeVar("T")
_KEY = "rota.engine"
BOUND_AT_MOST = 30_000
"""Values that one statement binds: SQLite takes 32,766."""
LOCK_SECONDS = 5
"""How long a statement of a sweep waits for a lock of somebody else's, before it tries less."""


def bind(metadata: MetaData | type, engine: Engine | Callable[[], Engine]) -> None:
    """Say in which database the tables of ``metadata`` (or of an ORM's base class) live; a function is asked when a
    recipe first runs."""
    found = metadata if isinstance(metadata, MetaData) else getattr(metadata, "metadata", None)
    if not isinstance(found, MetaData):
        raise ConfigError(f"{metadata!r} has no metadata", hint="Give a MetaData, or the base class of your models.")
    found.info[_KEY] = engine


def engine_of(table: Table) -> Engine:
    """Raises ``ConfigError`` where nobody has said where the table lives."""
    given = table.metadata.info.get(_KEY)
    if given is None:
        raise ConfigError(
            f"nobody has said in which database {table.name} lives",
            hint="rota.recipes.bind(metadata, engine) says it for all tables of a metadata.",
        )
    engine: Engine = given() if callable(given) and not isinstance(given, Engine) else given
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise ConfigError(
            f"{table.name} lives in a {engine.dialect.name} database", hint="Recipes work on SQLite and PostgreSQL."
        )
    return engine


def table_of(given: Any) -> Table:
    """The table itself, or that of an ORM class."""
    found = getattr(given, "__table__", given)
    if not isinstance(found, Table):
        raise ConfigError(
            f"{given!r} is no table", hint="Give a Table of SQLAlchemy, or a class that is mapped to one."
        )
    return found


def check_column(where: str, name: str, given: Any) -> None:
    """A column or an expression, also of a mapped class; raises ``ConfigError``."""
    if not isinstance(given, ColumnElement) and not hasattr(given, "__clause_element__"):
        hint = f"Write {name}=table.c.{given}." if isinstance(given, str) else "Give a column of the table."
        raise ConfigError(f"{where}: {name}={shown(given)} is no column", hint=hint)


def check_condition(where: str, name: str, given: Any) -> None:
    """A condition, or a function that returns one; raises ``ConfigError``."""
    if callable(given) and not isinstance(given, type):
        return
    if not isinstance(given, ColumnElement) and not hasattr(given, "__clause_element__"):
        raise ConfigError(
            f"{where}: {name}={shown(given)} is no condition",
            hint=f"As in {name}=table.c.read_at.is_not(None); Python's own `is`, `not` and `and` make none.",
        )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed at the end of the block, and rolled back by an exception."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection, _immediate(connection.execution_options(isolation_level="AUTOCOMMIT")):
            yield connection
        return
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        yield connection


@contextmanager
def _immediate(connection: Connection) -> Iterator[None]:
    """A writer takes SQLite's lock at once: one that has read first cannot always be given it later. The driver begins
    no transaction like that; where the engine's owner has taught it to begin one, that one is given up unused."""
    connection.begin()
    if _in_transaction(connection):
        connection.exec_driver_sql("ROLLBACK")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if _in_transaction(connection):
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's own dialect, which knows ``ON CONFLICT``."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def alike_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows with the same columns, as many as one ``INSERT … VALUES`` can hold."""
    by_names: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_names.setdefault(tuple(row), []).append(row)
    for names, some in by_names.items():
        yield from batches(some, max(1, BOUND_AT_MOST // len(names)))


def is_refusal(error: DBAPIError) -> bool:
    """Whether the database refuses a row: by a constraint, or by a trigger that raises."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return isinstance(error, (IntegrityError, DataError)) or state[:2] in {"22", "23", "44", "45", "P0"}


def is_locked(error: OperationalError) -> bool:
    """Whether somebody else has what is needed, so that it is worth another try."""
    state = getattr(error.orig, "sqlstate", None)
    return state in {"55P03", "40P01", "40001"} or "locked" in str(error.orig).lower()
