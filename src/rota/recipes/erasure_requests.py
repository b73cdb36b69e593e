"""Requests to be forgotten, the people whom they name, and the plan of what becomes of each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, and_, or_

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.database import reading, table_of
from rota.recipes.erasure_book import check_ledger
from rota.recipes.erasure_plan import Mode, Step, Subject
from rota.recipes.guard import cascades
from rota.recipes.personal import pseudonym
from rota.recipes.recipe import Recipe
from rota.recipes.rows import moment_for
from rota.recipes.rule import digest
from rota.recipes.safety import Safety

LEASE = timedelta(hours=1)
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

    @property
    def rule(self) -> str:
        return digest(self.requests, self.subject, self.where, str(self.grace), self.mode, self.plan)

    def due(self, as_of: datetime) -> ColumnElement[bool]:
        """Asked for long enough ago; or claimed by a run that has died. A claim ages by the clock on the wall."""
        of = self.requests.c
        old = moment_for(of.requested_at, Age.of(self.grace).before(as_of))
        lapsed = moment_for(of.claimed_at, datetime.now(UTC) - LEASE)
        states = or_(
            and_(of.status == "PENDING", of.requested_at < old), and_(of.status == "PROCESSING", of.claimed_at < lapsed)
        )
        return states if self.where is None else and_(states, self.where)

    def trips(self, engine: Engine, due: int) -> list[str]:
        """Too many at once, or rows that would go unseen with those of the plan."""
        most = self.safety.most_rows
        trips = [f"{due:,} people are more than {most:,}"] if most is not None and due > most else []
        named = {step.table.name for step in self.plan} | set(self.safety.cascades)
        deleted = {step.table for step in self.plan if step.action == "delete"} if due else set()
        with reading(engine) as connection:
            return [*trips, *sorted({trip for table in deleted for trip in cascades(table, named, connection)})]
