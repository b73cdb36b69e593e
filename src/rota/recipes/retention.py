"""Delete rows that are older than they may become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Connection, Table, delete, select

from rota.errors import ConfigError
from rota.recipes.part import Counts
from rota.recipes.recipe import RowRecipe
from rota.recipes.rows import Key, Rows, Where
from rota.shown import shown


@dataclass(frozen=True, slots=True)
class Child:
    """Rows of another table that go first, in the same transaction: those whose ``column`` names one that goes."""

    table: Table
    column: ColumnElement[Any]
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Retention(RowRecipe):
    """``Retention(notifications, age=notifications.c.created_at, older_than="90d")`` deletes what is older, a batch at
    a time. ``children`` go with their rows; what else goes with them by ``ON DELETE CASCADE`` is named in
    ``Safety(cascades=…)``, or trips the guard."""

    children: tuple[Child, ...] = field(default=(), kw_only=True)
    destructive = True
    action: ClassVar[str] = "delete"
    count_name: ClassVar[str] = "deleted"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.age is None) != (self.older_than is None):
            raise ConfigError(
                f"retention of {self.table.name}: age= and older_than= belong together",
                hint="As in Retention(table, age=table.c.created_at, older_than='90d').",
            )
        if self.age is None and self.where is None:
            raise ConfigError(
                f"retention of {self.table.name}: nothing says which rows are meant: all of them would go",
                hint="Give age= and older_than=, or where=.",
            )
        if not isinstance(self.children, (tuple, list)) or not all(isinstance(each, Child) for each in self.children):
            raise ConfigError(
                f"retention of {self.table.name}: children={shown(self.children)}",
                hint="Write children=(Child(comments, comments.c.note_id),).",
            )
        if self.children and self.archive_to is not None:
            raise ConfigError(
                f"retention of {self.table.name}: children= would go without an archive, and could not be put back",
                hint=f"Archive {self.children[0].table.name} by a retention of its own, before this one: Steps(…).",
            )
        if self.children and len(self.table.primary_key.columns) != 1:
            raise ConfigError(f"retention of {self.table.name}: its key has several columns, which no child can name")

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: datetime) -> Counts:
        going = rows.among(keys)
        for child in self.children:
            parents = delete(child.table).where(child.column.in_(_those(rows, going)))
            if child.where is not None:
                parents = parents.where(child.where(as_of) if callable(child.where) else child.where)
            connection.execute(parents)
        return Counter({self.count: connection.execute(delete(rows.table).where(going)).rowcount})


@dataclass(frozen=True, eq=False)
class Archive(Retention):
    """A retention that may not go without its archive: ``Archive(logs, age=…, older_than="90d", archive_to=…)``."""

    count_name: ClassVar[str] = "archived"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.archive_to is None:
            raise ConfigError(
                f"archive of {self.table.name}: nothing says where to",
                hint='archive_to=ArchiveTo.folder("/var/archive")',
            )


def _those(rows: Rows, going: ColumnElement[bool]) -> Any:
    return select(*rows.key).where(going)
