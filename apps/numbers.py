"""Numbers that are exact: money, marks, shares."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from sqlalchemy import Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator

EXACT = Context(prec=60)
"""Digits enough for the sums of any amounts that are kept: nothing is rounded on the way."""


class Decimal_(TypeDecorator[Decimal]):  # noqa: N801 - a type of SQL beside Python's
    """``numeric(precision, scale)``; SQLite, which has none, keeps text: to add such numbers up is Python's part."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__(precision, scale)
        self.precision, self.scale = precision, scale

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(self.precision, self.scale))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        exact = rounded(Decimal(str(value)), self.scale)
        return str(exact) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return None if value is None else Decimal(value)


def rounded(value: Decimal, places: int) -> Decimal:
    """Half up, as people round."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, EXACT)


def percent(part: float, whole: float) -> Decimal:
    """To two places; of nothing it is 0."""
    return rounded(Decimal(part) * 100 / Decimal(whole), 2) if whole else Decimal("0.00")


def mean(values: list[Decimal], places: int = 2) -> Decimal | None:
    return rounded(sum(values, Decimal(0)) / len(values), places) if values else None
