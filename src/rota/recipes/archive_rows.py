"""Rows as text that an archive keeps, and back: each value as it was."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Column, ColumnElement, Connection, Table, null, select

from rota.errors import RotaError
from rota.recipes.rows import Rows, shown


class ArchiveError(RotaError):
    """What was kept cannot be read back as it was."""


def fetch(connection: Connection, table: Table, where: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Rows, by the names that the ``Table`` has for its columns; the database may call them otherwise. NULL is ``None``
    there, and the null of JSON is ``JSON.NULL``."""
    empty = {each: each.is_(null()).label(f"no_{each.name}") for each in table.columns if isinstance(each.type, JSON)}
    found = connection.execute(select(table, *empty.values()).where(where)).mappings()

    def value(row: Mapping[Any, Any], column: Column[Any]) -> Any:
        return JSON.NULL if column in empty and row[column] is None and not row[empty[column]] else row[column]

    return [{column.key: value(row, column) for column in table.columns} for row in found]


def own_columns(table: Table) -> list[str]:
    """Those that are written; the others the database makes of them."""
    return [column.key for column in table.columns if column.computed is None]


def encode(table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON. What JSON has no word for says what it is: ``{"datetime": "2026-03-05T12:00:00+00:00"}``."""
    return {column.key: as_json(row[column.key]) for column in table.columns}


def line_of(table: Table, row: Mapping[str, Any]) -> str:
    """Its line, of which each value comes back as it was; raises ``ArchiveError`` where one does not."""
    for column in (table.columns[name] for name in own_columns(table)):
        if not _comes_back(column, value := row[column.key]):
            kind = type(value).__name__
            raise ArchiveError(f"{table.name}.{column.key} has a {kind}, which would not come back as it was")
    return json.dumps(encode(table, row), sort_keys=True)


def _comes_back(column: Column[Any], value: Any) -> bool:
    if isinstance(value, Enum):
        return value.name in getattr(column.type, "enums", ())  # the column takes the name for the member
    try:
        back = from_json(json.loads(json.dumps(as_json(value))))
    except (TypeError, ValueError):
        return False
    return bool(back == value or (back != back and value != value))


def decode(table: Table, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The row again. What the table has no column for any more is left out, and what the database makes itself."""
    return {name: from_json(kept[name]) for name in own_columns(table) if name in kept}


def as_json(value: Any) -> Any:
    if value is JSON.NULL:
        return {"json": None}
    if isinstance(value, Enum):
        return {"enum": value.name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (dict, list)):
        return {"json": value}
    if isinstance(value, (bytes, memoryview)):
        return {"bytes": b64encode(bytes(value)).decode()}
    if isinstance(value, timedelta):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, (datetime, date, time)):
        return {type(value).__name__: value.isoformat()}
    return {"decimal" if isinstance(value, Decimal) else "uuid" if isinstance(value, UUID) else "text": str(value)}


_READ: dict[str, Callable[[Any], Any]] = {
    "json": lambda value: JSON.NULL if value is None else value,
    "text": str,
    "enum": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(*value),
    "uuid": UUID,
    "decimal": Decimal,
    "bytes": b64decode,
}


def from_json(kept: Any) -> Any:
    if not isinstance(kept, dict):
        return kept
    [(kind, value)] = kept.items()
    return _READ[kind](value)


def key_of(rows: Rows, row: Mapping[str, Any]) -> Any:
    """Of a row, or of one that was encoded."""
    return shown([from_json(row[column.key]) for column in rows.key])
