"""The table of uploads, the folder of their files, and what refers to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import Any

from rota.recipes.age import Age
from rota.recipes.database import table_of
from rota.recipes.recipe import Recipe
from rota.recipes.references import Reference
from rota.recipes.safety import Safety

FILES = Safety(most_rows=10_000, most_fraction=0.5, floor=100, batch=200)


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
