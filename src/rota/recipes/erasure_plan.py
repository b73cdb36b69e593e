"""What becomes of each table when a person is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import Column, ColumnElement, Connection, delete, func, select, update

from rota.errors import ConfigError
from rota.recipes.database import table_of
from rota.recipes.personal import Scrub
from rota.recipes.rows import Rows, by_key
from rota.recipes.values import is_function, values_at

if TYPE_CHECKING:
    from rota import Run

Mode = Literal["anonymise", "delete"]
Action = Literal["delete", "null", "set", "pseudonymise", "keep"]
BUCKETS = {"delete": "erased", "null": "erased", "set": "erased", "pseudonymise": "pseudonymised", "keep": "kept"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a request is about."""

    id: Any
    hash: str
    """The same for the same person, and for nobody without the key to be traced back."""
    mode: Mode
    request: Any
    """The key of the request; nothing where there is none, or it was done before and is done again."""
    row: Mapping[str, Any] = field(repr=False)
    """The person's own, as it was before the first step."""
    run: Run = field(repr=False)


Match = Column[Any] | Callable[[Connection, Subject], ColumnElement[bool]]
"""A column that names the person; or the condition of the rows that are meant."""


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of the rows that ``match``, in the mode in which it holds.

    ``delete`` removes them. ``null`` empties ``columns``; ``set`` puts ``values`` in, which may be functions of the
    ``Subject``, and takes personal keys out of the JSON columns that ``scrub`` names. ``pseudonymise`` puts the hash of
    the person into ``into`` and empties ``match``, or puts it into ``match`` itself. ``keep`` changes nothing, and
    tells its ``ground``. ``after`` is called in the same transaction, when the step is done.
    """

    table: Any
    match: Match
    action: Action = "delete"
    mode: Literal["both"] | Mode = "both"
    _: KW_ONLY
    columns: Sequence[Column[Any]] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    scrub: Mapping[str, Callable[[], Scrub]] = field(default_factory=dict)
    into: Column[Any] | None = None
    ground: str = ""
    after: Callable[[Connection, Subject], None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", table_of(self.table))
        if wrong := self._mistake():
            raise ConfigError(f"erasure of {self.table.name}: {wrong[0]}", hint=wrong[1])

    def _mistake(self) -> tuple[str, str] | None:
        """What is wrong with it, and what to do."""
        if self.action not in BUCKETS:
            return f"there is no action {self.action!r}", f"One of {', '.join(BUCKETS)}."
        if self.mode not in ("both", *get_args(Mode)):
            return f"there is no mode {self.mode!r}", "One of both, anonymise, delete."
        if (self.action == "null" and not self.columns) or (self.action == "set" and not (self.values or self.scrub)):
            return "nothing says what to change", "null has columns=, set has values= or scrub=."
        if self.action == "keep" and not self.ground:
            return "what is kept needs a ground", 'As in ground="tax law, 10 years".'
        if self.action == "pseudonymise" and self.into is None and not isinstance(self.match, Column):
            return "nothing says where the hash goes", "Give into=, a column."
        unknown = sorted({*self.values, *self.scrub} - set(self.table.columns.keys()))
        return (f"there is no column {unknown[0]!r}", "Its columns by their keys.") if unknown else None

    def holds_in(self, mode: Mode) -> bool:
        return self.mode in ("both", mode)

    def count(self, connection: Connection, subject: Subject) -> int:
        """How many rows it is about."""
        rows = select(func.count()).select_from(self.table).where(self._where(connection, subject))
        return int(connection.scalar(rows) or 0)

    def perform(self, connection: Connection, subject: Subject) -> int:
        """Returns how many rows it was about."""
        if self.action == "keep":
            count = self.count(connection, subject)
        elif self.action == "delete":
            count = connection.execute(delete(self.table).where(self._where(connection, subject))).rowcount
        else:
            count = self._change(connection, subject)
        if self.after is not None:
            self.after(connection, subject)
        return count

    def _where(self, connection: Connection, subject: Subject) -> ColumnElement[bool]:
        found: Any = self.match == subject.id if isinstance(self.match, Column) else self.match(connection, subject)
        return found  # type: ignore[no-any-return]

    def _change(self, connection: Connection, subject: Subject) -> int:
        """Row by row where JSON is to be read, else at once."""
        rows = Rows(self.table, self._where(connection, subject))
        same = values_at(self.table, self._values(subject), subject.run.as_of)
        if not self.scrub:
            return connection.execute(update(self.table).where(rows.where).values(same)).rowcount
        found = connection.execute(select(self.table).where(rows.where)).mappings().all()
        for row in found:
            own, of = rows.among([tuple(row[column] for column in rows.key)]), by_key(self.table, row)
            made = {name: make()(of[name]) for name, make in self.scrub.items() if of[name] is not None}
            values = values_at(self.table, made, subject.run.as_of) | same
            if values:
                connection.execute(update(self.table).where(own).values(values))
        return len(found)

    def _values(self, subject: Subject) -> dict[str, Any]:
        values: dict[str, Any] = {column.key: None for column in self.columns}
        if self.action == "pseudonymise":
            if isinstance(self.match, Column):
                values[self.match.key] = None
            into = self.match if self.into is None else self.into
            values[into.key] = subject.hash  # type: ignore[union-attr]  # without into=, match is a column
        return values | {name: value(subject) if is_function(value) else value for name, value in self.values.items()}
