"""The table of uploads, the folder of their files, and what refers to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_

from rota.recipes.age import Age
from rota.recipes.database import table_of
from rota.recipes.recipe import Recipe
from rota.recipes.references import Reference, normal
from rota.recipes.rows import Key, aware, moment_for
from rota.recipes.safety import Safety

FILES = Safety(most_rows=10_000, most_fraction=0.5, floor=100, batch=200)


class Upload(NamedTuple):
    key: Key
    path: str
    since: datetime | None
    claimed_at: datetime | None
    names: frozenset[str]

    @classmethod
    def of(cls, row: tuple[Any, ...], width: int) -> Upload:
        """``width``: of how many columns the key is."""
        key, (path, since, claimed_at, *names) = row[:width], row[width:]
        known = [
            *(str(each) for each in key),
            path,
            Path(path).name,
            *(str(each) for each in names if each is not None),
        ]
        return cls(key, path, aware(since), aware(claimed_at), frozenset(normal(each) for each in known if each))


@dataclass(frozen=True, eq=False)
class UploadTable(Recipe):
    table: Any
    _: KW_ONLY
    path: Any
    state: Any
    age: Any
    unreferenced_since: Any
    claimed_at: Any
    root: str | os.PathLike[str]
    references: Sequence[Reference]
    names: Sequence[Any] = ()
    older_than: Age | timedelta | str = "30d"
    grace: Age | timedelta | str = "1d"
    quarantine: str | None = ".trash"
    quarantined_for: Age | timedelta | str = "24h"
    remove_untracked: bool = False
    most_lost: float = 0.2
    safety: Safety = FILES

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", table_of(self.table))
        for name in ("older_than", "grace", "quarantined_for"):
            object.__setattr__(self, name, Age.of(getattr(self, name)))

    @property
    def all_references(self) -> Sequence[Reference]:
        """With the foreign keys that lead to the table, whether they are given or not."""
        keys = {key.parent for table in self.table.metadata.tables.values() for key in table.foreign_keys
                if key.column.table is self.table and table is not self.table}  # fmt: skip
        return [*self.references, *(Reference(column, str) for column in keys)]

    def old(self, as_of: datetime) -> ColumnElement[bool]:
        return and_(self.state == "live", self.age < moment_for(self.age, Age.of(self.older_than).before(as_of)))

    def due(self, as_of: datetime) -> ColumnElement[bool]:
        """Old, and seen without a reference long enough ago."""
        since = self.unreferenced_since
        return and_(self.old(as_of), since <= moment_for(since, Age.of(self.grace).before(as_of)))
