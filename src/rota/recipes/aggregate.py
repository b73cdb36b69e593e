"""Bring a column up to date that is worked out of other rows: scores, counters, rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Integer, bindparam, select, update

from rota.recipes.database import engine_of, table_of
from rota.recipes.guarded import work_off
from rota.recipes.part import Counts, Part
from rota.recipes.recipe import Recipe
from rota.recipes.rows import Key, Rows, Where
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from rota import JobResult, Run

Values = Callable[[Connection, Sequence[Any], datetime], Mapping[Any, Any]]
"""What the column should be, by key, for so many keys at once, as of a moment; what is not there gets ``missing``."""


@dataclass(frozen=True, eq=False)
class Aggregate(Recipe):
    """``column`` of each row that ``where`` holds of is what ``values`` says. Rows that are right are left alone.

    A row of which ``values`` says nothing gets ``missing``; with ``...`` it stays as it is. More than ``drift`` of the
    rows being wrong is a warning: something else should have kept them right.
    """

    column: Column[Any]
    values: Values
    _: KW_ONLY
    where: Where | None = None
    missing: Any = 0
    drift: float | None = 0.05
    counted_as: str = "changed"
    safety: Safety = Safety(most_fraction=None, runaway=None, batch=100)  # noqa: RUF009 - it is a value

    @property
    def description(self) -> str:
        """``Recalculate karma of users.``"""
        return f"Recalculate {self.column.key} of {self.column.table.name}."

    def parts(self, as_of: datetime) -> Sequence[Part]:
        rows = Rows.older(table_of(self.column.table), None, None, self.where, as_of)
        return [
            Part(
                self.counted_as,
                "recalculate",
                rows,
                lambda *given: self.change(rows, as_of, *given),
                self.safety,
                also=(f"total_{rows.table.name}", *(_moved(self.column.key, {}, {}) if self._is_whole else ())),
                every_row=True,
                says=(self.column.key, self.values, self.missing),
            )
        ]

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        [part] = self.parts(run.as_of)
        result = work_off(engine_of(part.rows.table), run, part, plan=plan)
        result.counts["failed"] = result.error_count
        looked, changed = result.counts[f"total_{part.rows.table.name}"], result.counts[self.counted_as]
        if not run.dry_run and self.drift is not None and looked and changed > looked * self.drift:
            missed = f"what keeps {self.column.key} right meanwhile has missed them"
            result.warnings.append(f"{changed:,} of {looked:,} rows were wrong: {missed}")
        return result

    def change(self, rows: Rows, as_of: datetime, connection: Connection, keys: Sequence[Key]) -> Counts:
        table, [key] = rows.table, rows.key
        found = {row[0]: row[1] for row in connection.execute(select(key, self.column).where(rows.among(keys)))}
        values = self.values(connection, list(found), as_of)
        right = {key: values.get(key, before if self.missing is ... else self.missing) for key, before in found.items()}
        wrong = [{"_key": key, "_value": value} for key, value in right.items() if found[key] != value]
        if wrong:
            change = update(table).where(key == bindparam("_key")).values({self.column: bindparam("_value")})
            connection.execute(change, wrong)
        counts = {self.counted_as: len(wrong), f"total_{table.name}": len(found)}
        return Counter(counts | (_moved(self.column.key, found, right) if self._is_whole else {}))

    @property
    def _is_whole(self) -> bool:
        return isinstance(self.column.type, Integer)


def _moved(column: str, found: Mapping[Any, Any], right: Mapping[Any, Any]) -> dict[str, int]:
    """By how much whole numbers were wrong: signed, and not; and the most that one was."""
    moved = [
        right[key] - (before or 0)
        for key, before in found.items()
        if isinstance(right[key], int) and isinstance(before, int | None) and right[key] != before
    ]
    size = [abs(each) for each in moved]
    return {f"total_{column}_change": sum(moved), "total_abs_change": sum(size), "max_change": max(size, default=0)}
