"""Rows that nobody has used for long are marked so, and rows whose time is over lose what it was for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, update

from rota.errors import ConfigError
from rota.recipes.part import Counts
from rota.recipes.recipe import RowRecipe
from rota.recipes.rows import Key, Rows
from rota.recipes.values import values_at


@dataclass(frozen=True, eq=False)
class Update(RowRecipe):
    """``set_values`` are put into the rows that the rule holds of, and must end that: a row that was changed is not to
    be found by the same rule again. A value may be a function of the run's ``as_of``.

    ``Update(jobs, age=jobs.c.at, older_than="1y", where=jobs.c.is_open, set_values={"is_open": False})``
    """

    set_values: Mapping[str, Any] = field(kw_only=True)
    action: ClassVar[str] = "update"
    count_name: ClassVar[str] = "updated"

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.set_values) - set(self.table.columns.keys()))
        if unknown or not self.set_values:
            raise ConfigError(f"{self.table.name} has no column {unknown[0]!r}" if unknown else "set_values= is empty")

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: datetime) -> Counts:
        values = values_at(rows.table, self.set_values, as_of)
        return Counter(
            {self.count: connection.execute(update(rows.table).where(rows.among(keys)).values(values)).rowcount}
        )


@dataclass(frozen=True, eq=False)
class Inactive(Update):
    """People who have not been seen for long: ``age`` is when they last were, ``coalesce(last_login, created_at)``."""

    action: ClassVar[str] = "deactivate"
    count_name: ClassVar[str] = "deactivated"


@dataclass(frozen=True, eq=False)
class Tokens(Update):
    """Tokens whose time is over are cleared from their rows: ``age`` is the column of their end. They may be so by a
    second, as their end is a moment that was set for them."""

    action: ClassVar[str] = "clear"
    count_name: ClassVar[str] = "cleared"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "safety", self.safety.with_(least_age="0s"))
