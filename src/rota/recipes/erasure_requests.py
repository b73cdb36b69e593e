"""Requests to be forgotten, the people whom they name, and the plan of what becomes of each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.database import table_of
from rota.recipes.erasure_plan import Mode, Step, Subject
from rota.recipes.forgotten import check_ledger
from rota.recipes.personal import pseudonym
from rota.recipes.recipe import Recipe
from rota.recipes.safety import Safety

PEOPLE = Safety(most_rows=100, most_fraction=None, pause=0)
_REQUEST = ("status", "requested_at", "claimed_at", "attempts", "error", "completed_at")


@dataclass(frozen=True, eq=False)
class Requests(Recipe):
    requests: Any
    _: KW_ONLY
    subject: Column[Any]
    marker: Column[Any]
    plan: Sequence[Step]
    ledger: Column[Any]
    key: bytes = field(repr=False)
    identity: Sequence[Column[Any]] = ()
    where: ColumnElement[bool] | None = None
    grace: Age | timedelta | str = "30d"
    mode: Mode | Callable[[Mapping[str, Any]], Mode] = "anonymise"
    hold: Callable[[Connection, Subject], str | None] | None = None
    before: Callable[[Connection, Subject], None] | None = None
    safety: Safety = PEOPLE

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", table_of(self.requests))
        object.__setattr__(self, "grace", Age.of(self.grace))
        check_ledger(self.ledger)
        missing = [name for name in _REQUEST if name not in self.requests.columns]
        if missing:
            raise ConfigError(f"erasure: {self.requests.name} has no column {missing[0]!r}")
        if any(len(table.primary_key.columns) != 1 for table in (self.people, self.requests)):
            raise ConfigError("erasure: people, and requests, are told apart by one column each")
        if len(self.key) < 16:
            raise ConfigError("erasure: the key is too short", hint="Give 16 bytes or more, kept outside the database.")
        if any(key.ondelete == "CASCADE" and key.column.table is self.people for key in self.subject.foreign_keys):
            raise ConfigError(
                f"erasure: rows of {self.requests.name} go with those of {self.people.name} (ON DELETE CASCADE)",
                hint="Make it ON DELETE SET NULL: else nothing says afterwards that it was done.",
            )

    @property
    def description(self) -> str:
        """``Forget people who asked for it 30d ago.``"""
        return f"Forget people who asked for it {self.grace} ago."

    @property
    def people(self) -> Table:
        return table_of(self.marker.table)

    @property
    def person(self) -> Column[Any]:
        """The key of the table of people."""
        return next(iter(self.people.primary_key.columns))

    def hash_of(self, row: Mapping[Any, Any]) -> str:
        return pseudonym(self.key, "\0".join(str(row[column.key]) for column in self.identity or [self.person]))
