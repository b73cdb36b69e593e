"""What becomes of each table when a person is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Connection, delete, func, select, update

from rota.errors import ConfigError
from rota.recipes.database import table_of
from rota.recipes.personal import Scrub
from rota.recipes.rows import Rows
from rota.recipes.values import is_function, values_at

Mode = Literal["anonymise", "delete"]
Action = Literal["delete", "null", "set", "pseudonymise", "keep"]
BUCKETS = {"delete": "erased", "null": "erased", "set": "erased", "pseudonymise": "pseudonymised", "keep": "kept"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a request is about: ``row`` is as the person's row was before the first step, and is never shown."""

    id: Any
    hash: str
    """The same for the same person, and for nobody without the key to be traced back."""
    mode: Mode
    as_of: datetime
    row: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """``match`` is the column that names the person, or a function of the ``Subject`` that returns a condition.

    ``delete`` removes the rows. ``null`` empties ``columns``; ``set`` puts ``values`` in, which may be functions of the
    ``Subject``; ``scrub`` takes personal keys out of JSON columns. ``pseudonymise`` puts the hash of the person into
    ``into`` and empties ``match``, or puts it into ``match`` itself. ``keep`` changes nothing and tells its ``ground``.
    ``after`` is called in the transaction, when the step is done.
    """

    table: Any
    match: Column[Any] | Callable[[Subject], ColumnElement[bool]]
    action: Action = "delete"
    mode: Literal["both", "anonymise", "delete"] = "both"
    _: KW_ONLY
    columns: Sequence[Column[Any]] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    scrub: Mapping[str, Callable[[], Scrub]] = field(default_factory=dict)
    into: Column[Any] | None = None
    ground: str = ""
    after: Callable[[Connection, Subject], None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", table_of(self.table))
        name, changes = f"erasure of {self.table.name}", bool(self.columns or self.values or self.scrub)
        if self.action not in BUCKETS:
            raise ConfigError(f"{name}: there is no action {self.action!r}", hint=f"One of {', '.join(BUCKETS)}.")
        if self.mode not in ("both", "anonymise", "delete"):
            raise ConfigError(f"{name}: there is no mode {self.mode!r}", hint="One of both, anonymise, delete.")
        if self.action in ("null", "set") and not changes:
            raise ConfigError(f"{name}: nothing says what to change", hint="Give columns=, values= or scrub=.")
        if self.action == "keep" and not self.ground:
            raise ConfigError(f"{name}: what is kept needs a ground", hint='As in ground="tax law, 10 years".')
        if self.action == "pseudonymise" and self.into is None and not isinstance(self.match, Column):
            raise ConfigError(f"{name}: nothing says where the hash goes", hint="Give into=, a column.")
        unknown = sorted({*self.values, *self.scrub} - set(self.table.columns.keys()))
        if unknown:
            raise ConfigError(f"{name}: there is no column {unknown[0]!r}")

    def holds_in(self, mode: Mode) -> bool:
        return self.mode in ("both", mode)

    def count(self, connection: Connection, subject: Subject) -> int:
        """How many rows it is about."""
        rows = select(func.count()).select_from(self.table).where(self._where(subject))
        return int(connection.scalar(rows) or 0)

    def perform(self, connection: Connection, subject: Subject) -> int:
        """Returns how many rows it was about."""
        where = self._where(subject)
        if self.action == "keep":
            count = self.count(connection, subject)
        elif self.action == "delete":
            count = connection.execute(delete(self.table).where(where)).rowcount
        else:
            self._scrub(
                connection, where, subject.as_of
            )  # first: afterwards the rows may not be found by the person any more
            values = self._values(subject)
            count = connection.execute(update(self.table).where(where).values(values)).rowcount if values else 0
        if self.after is not None:
            self.after(connection, subject)
        return count

    def _where(self, subject: Subject) -> ColumnElement[bool]:
        condition: Any = self.match == subject.id if isinstance(self.match, Column) else self.match(subject)
        return condition  # type: ignore[no-any-return]

    def _values(self, subject: Subject) -> dict[str, Any]:
        values: dict[str, Any] = {column.key: None for column in self.columns}
        if self.action == "pseudonymise" and isinstance(self.match, Column):
            values[self.match.key] = None if self.into is not None else subject.hash
        if self.into is not None:
            values[self.into.key] = subject.hash
        values |= {name: value(subject) if is_function(value) else value for name, value in self.values.items()}
        return values_at(self.table, values, subject.as_of)

    def _scrub(self, connection: Connection, where: ColumnElement[bool], as_of: datetime) -> None:
        if not self.scrub:
            return
        rows = Rows(self.table, where)
        names = [self.table.columns[name] for name in self.scrub]
        for row in connection.execute(select(*rows.key, *names).where(where)).all():
            key, old = tuple(row[: len(rows.key)]), row[len(rows.key) :]
            new = {
                name: make()(value)
                for (name, make), value in zip(self.scrub.items(), old, strict=True)
                if value is not None
            }
            if new:
                values = values_at(self.table, new, as_of)
                connection.execute(update(self.table).where(rows.among([key])).values(values))
