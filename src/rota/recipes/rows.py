"""The rows that a recipe is about: a table, what must hold of them, and how they are told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Integer,
    Select,
    Table,
    and_,
    delete,
    func,
    literal,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import ClauseElement

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.rule import MOMENT

Key = tuple[Any, ...]
Where = ColumnElement[bool] | Callable[[datetime], ColumnElement[bool]]
"""What must hold of a row; a function is given the run's ``as_of``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """``age`` is the moment that their age counts from, and ``cutoff`` the one that it must be before."""

    table: Table
    where: ColumnElement[bool]
    age: ColumnElement[Any] | None = None
    cutoff: datetime | None = None
    older_than: Age | None = None
    rule: ColumnElement[bool] | None = None
    """``where`` as it was given, at a moment that is always the same: by it a rule is known again."""

    @classmethod
    def older(
        cls, table: Table, age: ColumnElement[Any] | None, older_than: Age | None, where: Where | None, as_of: datetime
    ) -> Rows:
        """Rows older than that at ``as_of``, of which ``where`` holds. One exactly so old is not older."""
        _key_of(table)
        conditions = [] if where is None else [where(as_of) if callable(where) else where]
        rule = and_(true(), *([] if where is None else [where(MOMENT) if callable(where) else where]))
        cutoff = None
        if age is not None and older_than is not None:
            cutoff = older_than.before(as_of)
            conditions.append(age < moment_for(age, cutoff))
        return cls(table, and_(true(), *conditions), age, cutoff, older_than, rule)

    @property
    def key(self) -> tuple[Column[Any], ...]:
        return _key_of(self.table)

    def page(self, after: Key | None, limit: int) -> Select[Any]:
        """The keys of the next so many, in their order."""
        found = select(*self.key).where(self.where).order_by(*self.key).limit(limit)
        return found if after is None else found.where(self._beyond(after))

    def among(self, keys: Sequence[Key]) -> ColumnElement[bool]:
        """Those of these keys of which the predicate holds still."""
        key = self.key
        if len(key) == 1:
            return and_(key[0].in_([each[0] for each in keys]), self.where)
        return and_(tuple_(*key).in_(list(keys)), self.where)

    def count(self, connection: Connection, most: int | None = None) -> int:
        """How many there are; ``most``: it counts no further."""
        found = select(literal(1)).select_from(self.table).where(self.where)
        counted = select(func.count()).select_from((found if most is None else found.limit(most)).subquery())
        return int(connection.scalar(counted) or 0)

    def ages(self, connection: Connection) -> tuple[datetime | None, datetime | None]:
        """Of the oldest and of the newest."""
        if self.age is None:
            return None, None
        query = select(func.min(self.age), func.max(self.age)).select_from(self.table).where(self.where)
        oldest, newest = connection.execute(query).one()
        return aware(oldest), aware(newest)

    def sample(self, connection: Connection, count: int) -> list[Any]:
        return [shown(each) for each in connection.execute(self.page(None, count))]

    def sql(self, connection: Connection) -> str:
        """The predicate as the database reads it, with the values in place: for people, never to be executed."""
        return _for_people(connection, self.where)

    def statement(self, connection: Connection, action: str, values: Mapping[str, Any] | None) -> str:
        """What is done to all of them, likewise; ``values``: those that are set, and are not worked out by row."""
        if action == "delete":
            return _for_people(connection, delete(self.table).where(self.where))
        if values:
            return _for_people(connection, update(self.table).where(self.where).values(values))
        return f"{action} rows of {self.table.name} where {self.sql(connection)}"

    def _beyond(self, after: Key) -> ColumnElement[bool]:
        if len(self.key) == 1:
            return and_(self.key[0] > after[0])
        last = (literal(value, column.type) for value, column in zip(after, self.key, strict=True))
        return and_(tuple_(*self.key) > tuple_(*last))


def _for_people(connection: Connection, element: ClauseElement) -> str:
    kind: Any = type(connection.dialect)
    dialect = kind(paramstyle="named")  # others double each %
    try:
        text = str(element.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except CompileError:  # of a type that has no literals
        compiled = element.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        text = f"{compiled} with {dict(compiled.params)}"
    return " ".join(text.split())


def _key_of(table: Table) -> tuple[Column[Any], ...]:
    key = tuple(table.primary_key.columns)
    if not key:
        raise ConfigError(
            f"table {table.name} has no primary key, by which its rows could be told apart",
            hint="Say in its Table which columns make one: Column(…, primary_key=True).",
        )
    return key


def by_key(table: Table, row: Any) -> dict[str, Any]:
    """A mapping of all columns by their keys: their names in the database may be others."""
    return {column.key: row[column] for column in table.columns}


def moment_for(column: ColumnElement[Any], moment: datetime) -> Any:
    """A moment as a column keeps it: without a zone it is UTC, as a whole number it is seconds since 1970."""
    kind = column.type
    if isinstance(kind, DateTime):
        return moment if kind.timezone else moment.astimezone(UTC).replace(tzinfo=None)
    if isinstance(kind, Date):
        return moment.astimezone(UTC).date()
    if isinstance(kind, Integer):
        return int(moment.timestamp())
    return moment


def aware(value: Any) -> datetime | None:
    """What a column keeps, as a moment."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, (int, float, Decimal)):
        return datetime.fromtimestamp(float(value), UTC)
    return None


def shown(key: Sequence[Any]) -> Any:
    """A key as JSON has it: one value, or a list of several."""
    plain = [each if isinstance(each, (int, str)) or each is None else str(each) for each in key]
    return plain[0] if len(plain) == 1 else plain


def read_key(rows: Rows, kept: Any) -> Key | None:
    """A key that was ``shown``, with the types of its columns."""
    if kept is None:
        return None
    values = [kept] if len(rows.key) == 1 else list(kept)
    return tuple(_typed(column, value) for column, value in zip(rows.key, values, strict=True))


def _typed(column: Column[Any], value: Any) -> Any:
    kind = _python_type(column)
    if kind is UUID:
        return UUID(value)
    if kind is Decimal:
        return Decimal(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    return value


def _python_type(column: Column[Any]) -> type | None:
    try:
        return column.type.python_type
    except NotImplementedError:
        return None
