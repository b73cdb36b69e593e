"""Keys that are whole numbers or text, whichever an application's data has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Dialect, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

_DIGITS = 20


class Id(TypeDecorator[Any]):
    """A key as it is given, ``7`` or ``"u7"``. Databases keep it as text: a whole number, which may not be negative, is
    written with so many digits that it sorts as one."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Text(collation="C"))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return value if value is None or isinstance(value, str) else f"{value:0{_DIGITS}d}"

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        is_number = isinstance(value, str) and len(value) == _DIGITS and value.isdecimal()
        return int(value) if is_number else value


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


def id_column() -> Column[Any]:
    return Column("id", Id, primary_key=True, default=FreshId())
