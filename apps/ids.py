"""Keys that are whole numbers or text, whichever an application's data has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, UserDefinedType

_DIGITS = 20
"""So many a whole number is written with where it is kept as text, so that it sorts as one."""


class _AsItIs(UserDefinedType[Any]):
    """SQLite's own way: a column that keeps numbers and text as they are, numbers first."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BLOB"


class Id(TypeDecorator[Any]):
    """A key as it is given: ``7`` or ``"u7"``. PostgreSQL keeps it as text; whole numbers are not negative there."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(_AsItIs() if dialect.name == "sqlite" else Text(collation="C"))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if dialect.name == "sqlite" or value is None or isinstance(value, str):
            return value
        return f"{value:0{_DIGITS}d}"

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if dialect.name != "sqlite" and isinstance(value, str) and len(value) == _DIGITS and value.isdecimal():
            return int(value)
        return value


class FreshId(FunctionElement[str]):
    """A key that nobody has, for a row that a statement inserts."""

    type = Id()
    inherit_cache = True


@compiles(FreshId, "sqlite")
def _in_sqlite(_element: FreshId, _compiler: Any, **_options: Any) -> str:
    return "lower(hex(randomblob(16)))"


@compiles(FreshId, "postgresql")
def _in_postgresql(_element: FreshId, _compiler: Any, **_options: Any) -> str:
    return "replace(gen_random_uuid()::text, '-', '')"
