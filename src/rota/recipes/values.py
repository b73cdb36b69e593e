"""Values to be put into columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, null

from rota.recipes.rows import moment_for


def is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, ColumnElement)


def values_at(table: Table, values: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    """Functions are given the moment; moments are as their columns keep them; nothing is NULL, and not JSON's null."""
    asked = {name: value(as_of) if is_function(value) else value for name, value in values.items()}
    return {name: as_kept(table.columns[name], value) for name, value in asked.items()}


def as_kept(column: Any, value: Any) -> Any:
    if value is None:
        return null()
    return moment_for(column, value) if isinstance(value, datetime) else value
