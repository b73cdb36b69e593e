"""A new recipe is let loose by degrees: it rehearses, a person agrees, a few rows go first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine, func, select

from rota.recipes import tables
from rota.recipes.database import reading, writing
from rota.recipes.part import Part, rule_hash

if TYPE_CHECKING:
    from rota import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """So many runs change nothing, and tell what they would; then a person is asked; then ``canary`` rows go first."""

    dry_runs: int = 7
    canary: int = 100


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How far one part of a recipe is on its way; a rule that is changed begins anew."""

    engine: Engine
    run: Run
    part: Part
    promotion: Promotion

    def count(self) -> int:
        return self._runs(tables.sweeps.c.rehearsed == tables.REHEARSED)

    def is_over(self) -> bool:
        """Whether it has changed rows under this very rule before, beyond the first few."""
        return self._runs(tables.sweeps.c.rehearsed == 0) > 0

    def record(self, overdue: int) -> None:
        row = tables.of_run(self.run, self.part.key, rule_hash(self.part))
        row |= {"ended_at": row["started_at"], "overdue": overdue, "left_over": overdue, "changed": 0}
        row["rehearsed"] = tables.REHEARSED
        with writing(self.engine) as connection:
            connection.execute(tables.insert_or_update(connection, tables.sweeps, row, ["run", "part", "predicate"]))

    def _runs(self, *such: object) -> int:
        row = tables.sweeps.c
        mine = (row.job == self.run.job, row.part == self.part.key, row.predicate == rule_hash(self.part))
        with reading(self.engine) as connection:
            return int(connection.scalar(select(func.count()).where(*mine, *such)) or 0)  # type: ignore[arg-type]
