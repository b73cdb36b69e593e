"""An application's data from a file, and back: ``{table: [rows]}``, moments as ISO 8601 in UTC.

Keys that begin with ``_`` are no tables: what each of them means, the application says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Date, Engine, MetaData, Numeric, Table, func, null, select

from apps.database import Instant
from rota.errors import ConfigError
from rota.recipes import reading, ready, writing

Place = Callable[[Any], None]
ROWS_AT_ONCE = 1_000
OLDER = ("mac_roman", "cp1252", "latin-1")


def load(
    engine: Engine, metadata: MetaData, data: Mapping[str, Any], places: Mapping[str, Place] | None = None
) -> None:
    """Fill an empty database.

    Raises:
        ConfigError: it is not empty, or the data names what the application does not have.
    """
    places = places or {}
    unknown = sorted(set(data) - set(metadata.tables) - set(places))
    if unknown:
        raise ConfigError(f"there is no table {unknown[0]!r}", hint=f"There are {', '.join(metadata.tables)}.")
    ready(engine, metadata)
    with writing(engine) as connection:
        for table in metadata.sorted_tables:
            rows = data.get(table.name, [])
            if rows and connection.scalar(select(func.count()).select_from(table)):
                raise ConfigError(f"table {table.name} is not empty", hint="Load into a database of its own.")
            for first in range(0, len(rows), ROWS_AT_ONCE):
                _insert(connection, table, rows[first : first + ROWS_AT_ONCE])
    for name, place in places.items():
        if name in data:
            place(data[name])


def _insert(connection: Any, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Those with the same columns at once; where a row does not name a column, its default holds."""
    kept: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        for name in row:
            if name not in table.columns:
                raise ConfigError(
                    f"table {table.name} has no column {name!r}", hint=f"It has {', '.join(table.columns.keys())}."
                )
        values = {name: _read(table.columns[name], value) for name, value in row.items()}
        kept.setdefault(tuple(sorted(values)), []).append(values)
    for alike in kept.values():
        connection.execute(table.insert(), alike)


def _read(column: Column[Any], value: Any) -> Any:
    kind = column.type
    if value is None:
        return null() if isinstance(kind, JSON) else None
    if isinstance(kind, Instant):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    return Decimal(str(value)) if isinstance(kind, Numeric) else value


def dump(engine: Engine, metadata: MetaData, tables: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """All rows of these tables, or of all, by their keys."""
    names = list(tables) or [table.name for table in metadata.sorted_tables]
    found: dict[str, list[dict[str, Any]]] = {}
    with reading(engine) as connection:
        for name in names:
            if name not in metadata.tables:
                raise ConfigError(f"there is no table {name!r}", hint=f"There are {', '.join(metadata.tables)}.")
            table = metadata.tables[name]
            rows = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            found[name] = [{key: _plain(value) for key, value in row.items()} for row in rows]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def load_main(engine: Engine, metadata: MetaData, places: Mapping[str, Place] | None = None) -> None:
    """``python -m apps.<name>.load FILE.json``; ``-`` is standard input."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m apps.<name>.load FILE.json")
    text = sys.stdin.buffer.read() if sys.argv[1] == "-" else Path(sys.argv[1]).read_bytes()
    try:
        data = json.loads(text.decode())
        load(engine, metadata, data, places)
    except (ConfigError, ValueError) as error:
        hint = getattr(error, "hint", "")
        raise SystemExit(f"Error: {error}" + (f"\nHint: {hint}" if hint else "")) from None
    for place in misread(data):
        sys.stderr.write(f"Warning: {place} has text that was UTF-8, and was read as something else before\n")


def misread(data: Mapping[str, Any]) -> list[str]:
    """Each ``table.column`` with text that was UTF-8 once, and was read in an older encoding."""
    tables = {name: rows for name, rows in data.items() if not name.startswith("_")}
    cells = (
        (f"{name}.{column}", value) for name, rows in tables.items() for row in rows for column, value in row.items()
    )
    return sorted({place for place, value in cells if isinstance(value, str) and _is_misread(value)})


def _is_misread(text: str) -> bool:
    return not text.isascii() and any(_was_utf8(text, each) for each in OLDER)


def _was_utf8(text: str, read_as: str) -> bool:
    try:
        return text.encode(read_as).decode() != text
    except UnicodeError:
        return False


def dump_main(engine: Engine, metadata: MetaData, more: Mapping[str, Callable[[], Any]] | None = None) -> None:
    """``python -m apps.<name>.dump [TABLE …]``. ``more``: what else can be asked for as a table."""
    wanted, more = sys.argv[1:], more or {}
    ours = [name for name in wanted if name not in more]
    try:
        found = dump(engine, metadata, ours) if ours or not wanted else {}
    except ConfigError as error:
        raise SystemExit(f"Error: {error}\nHint: {error.hint}") from None
    found |= {name: give() for name, give in more.items() if not wanted or name in wanted}
    json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
