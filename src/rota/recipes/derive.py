"""Work something out of the rows of a table, a page of them at a time, and keep it elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from rota.recipes.database import engine_of, table_of
from rota.recipes.guarded import work_off
from rota.recipes.part import Part
from rota.recipes.recipe import Recipe
from rota.recipes.rows import Rows, Where
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from rota import JobResult, Run

Work = Callable[[Connection, Sequence[Any], "Run"], Mapping[str, int]]
"""For the rows of these keys, in the transaction of the page; returns what it counted."""


@dataclass(frozen=True, eq=False)
class Derive(Recipe):
    """``work`` is called with the keys of a page, and counts among others ``counted_as``: how many of what it keeps
    were changed, and ``also_counted``. A page that fails is halved until the row is found that fails."""

    table: Any
    work: Work
    _: KW_ONLY
    counted_as: str
    also_counted: Sequence[str] = ()
    where: Where | None = None
    safety: Safety = Safety(most_fraction=None, runaway=None, batch=100, pause=0)  # noqa: RUF009 - it is a value

    @property
    def description(self) -> str:
        """``Work out what is kept of users.``"""
        return f"Work out what is kept of {table_of(self.table).name}."

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        rows = Rows.older(table_of(self.table), None, None, self.where, run.as_of)

        def change(connection: Connection, keys: Sequence[Any]) -> Counter[str]:
            return Counter({self.counted_as: 0, **self.work(connection, [key[0] for key in keys], run)})

        also = tuple(self.also_counted)
        part = Part(self.counted_as, "derive", rows, change, self.safety, also=also, every_row=True, says=self.work)
        result = work_off(engine_of(rows.table), run, part, plan=plan)
        result.counts["failed"] = result.error_count
        return result
