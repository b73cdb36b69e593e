"""An application on tables of its owner's own: a file says how they and their columns are called.

    [pending_invitations]
    table = "crm.invites"
    created_at = "made_on"

Tables that the file does not name are the application's, and it makes them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Engine, Integer, MetaData, Table, Text, inspect
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.types import NullType, TypeDecorator

from apps.database import Instant, connect
from apps.ids import Id
from rota.errors import ConfigError, SettingsError
from rota.recipes import ready

OWN = "own"
"""Marks a table that is there already."""
_HINT = "docs/own-tables.md tells how such a file is written"


class Moment(TypeDecorator[datetime]):
    """A moment in a column of the database's own kind; where that keeps no zone, it is UTC."""

    impl = DateTime
    cache_ok = True

    def __init__(self, timezone: bool = False) -> None:
        super().__init__(timezone=timezone)
        self.has_zone = timezone

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value if value is None or self.has_zone else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def use_own_tables(metadata: MetaData, engine: Engine, file: Path) -> None:
    """Let ``metadata``'s tables be those that ``file`` names; their columns have the types that the database gives.

    Raises:
        SettingsError: with every table and column that is missing, or is of another kind.
    """
    named = _read(file)
    unknown = named.keys() - metadata.tables
    problems = [f"{file}: {name}: there is no such table; {_known(metadata)}" for name in unknown]
    for name, columns in named.items():
        if name in metadata.tables:
            problems += _use(metadata.tables[name], engine, dict(columns))
    if problems:
        raise SettingsError(sorted(problems), hint=_HINT)
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            if not table.info.get(OWN) and key.column.table.info.get(OWN):
                key.parent.type = key.column.type


class Place(Protocol):
    """The settings of an application, as far as they tell where its tables are."""

    @property
    def database_url(self) -> str: ...
    @property
    def own_tables(self) -> Path | None: ...


def open_database(settings: Place, metadata: MetaData) -> Engine:
    """An application's database, with all of its tables. Raises as ``use_own_tables`` and ``make_tables``."""
    engine = connect(settings.database_url)
    if settings.own_tables is not None:
        use_own_tables(metadata, engine, settings.own_tables)
    make_tables(engine, metadata)
    return engine


def make_tables(engine: Engine, metadata: MetaData) -> None:
    """Those that are missing. Raises ``ConfigError`` where the database has one of these names that is another one."""
    whose = metadata.info["application"]
    ours = {table.name: table for table in metadata.sorted_tables if not table.info.get(OWN)}
    for (_, name), columns in inspect(engine).get_multi_columns(filter_names=list(ours)).items():
        missing = set(ours[name].c.keys() if name in ours else ()) - {column["name"] for column in columns}
        if missing:
            raise ConfigError(
                f"the table {name} is not {whose}'s: it has no column {', '.join(sorted(missing))}",
                hint=f"Give {whose} a database, or a schema, of its own: {whose.upper()}_DATABASE_URL.",
            )
    ready(engine, metadata)


def opener(settings: Place, metadata: MetaData) -> Callable[[], Engine]:
    """Opens the database when a job first needs it; where some tables are their owner's, now: what is wrong with them
    is told at the start."""
    engine = cache(lambda: open_database(settings, metadata))
    if settings.own_tables is not None:
        engine()
    return engine


def _read(file: Path) -> Mapping[str, Mapping[str, str]]:
    try:
        found = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError([f"{file}: cannot be read: {error}"], hint=_HINT) from None
    if all(
        isinstance(columns, dict) and all(isinstance(each, str) for each in columns.values())
        for columns in found.values()
    ):
        return found
    raise SettingsError([f'{file}: write [table], and below it column = "name"'], hint=_HINT)


def _use(table: Table, engine: Engine, names: dict[str, str]) -> Iterator[str]:
    schema, _, name = names.pop("table", table.name).rpartition(".")
    yield from (
        f"{table.name}: it has no column {each}; {_known(table)}" for each in names.keys() - set(table.c.keys())
    )
    try:
        columns = {each["name"]: each["type"] for each in inspect(engine).get_columns(name, schema=schema or None)}
    except NoSuchTableError:
        yield f"{table.name}: the database has no table {name}" + (f" in the schema {schema}" if schema else "")
        return
    except SQLAlchemyError as error:
        yield f"{table.name}: the database does not answer: {type(error).__name__}"
        return
    for column in table.c:
        theirs = names.get(column.key, column.name)
        if theirs not in columns:
            yield f"{table.name}: {name} has no column {theirs}; say how it calls {column.key}"
            continue
        kind = _kind(column, columns[theirs], engine)
        if kind is None:
            yield f"{table.name}: {theirs} of {name} is {columns[theirs]}, but {column.key} is {_wanted(column)}"
            continue
        column.name, column.type = theirs, kind
    table.name, table.schema = name, schema or None
    table.fullname = f"{schema}.{name}" if schema else name
    table.info[OWN] = True


def _kind(column: Column[Any], theirs: Any, engine: Engine) -> Any:
    """The type that the rules may use it with, or None."""
    ours = column.info.setdefault("declared", column.type)  # of the first time: a process may open it again
    if isinstance(ours, Instant):
        if isinstance(theirs, DateTime):
            return Moment(timezone=bool(theirs.timezone))
        return ours if isinstance(theirs, (BigInteger, Integer)) else None
    if isinstance(ours, JSON):
        loose = engine.dialect.name == "sqlite" and isinstance(theirs, Text)
        return theirs if isinstance(theirs, JSON) else ours if loose else None
    if isinstance(ours, Id):
        return theirs
    return ours if isinstance(theirs, NullType) else theirs


def _wanted(column: Column[Any]) -> str:
    return "a moment" if isinstance(column.type, Instant) else "JSON"


def _known(of: MetaData | Table) -> str:
    names = of.tables if isinstance(of, MetaData) else of.c.keys()
    return f"there are {', '.join(names)}"
