"""A sequence of reminders: so long after something was sent or begun, each once, while it is still of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, case, literal, true, type_coerce

from rota.messages.mailing import Mailing
from rota.messages.tables import as_instant
from rota.recipes.age import Age
from rota.recipes.tables import Instant

if TYPE_CHECKING:
    from datetime import datetime

    from rota import JobResult, Run

TOO_LATE, SUPERSEDED = "too_late", "superseded"
FORGOTTEN = timedelta(days=30)
"""What is late by more than this leaves no row that says so."""


@dataclass(frozen=True, slots=True)
class Step:
    """``name`` is the message's version; ``where``: who wants this one."""

    name: str
    after: timedelta | str
    within: timedelta | str = "48h"
    where: ColumnElement[bool] | None = None

    def window(self, as_of: datetime) -> tuple[datetime, datetime]:
        """``start < anchor <= end`` is due."""
        end = Age.of(self.after).before(as_of)
        return Age.of(self.within).before(end), end


@dataclass(frozen=True, eq=False)
class Reminders(Mailing):
    """``plan`` has those who may be reminded (its ``recipient`` is the thing, such as an invitation), ``anchor`` the
    column that steps count from. A step that was missed is ``too_late``; where a later one is due as well, it is
    ``superseded``."""

    _: KW_ONLY
    anchor: ColumnElement[Any]
    steps: Sequence[Step]
    by_version = True

    def queries(self, run: Run) -> list[Select[Any]]:
        anchor = as_instant(self.anchor)
        found = []
        for number, step in enumerate(self.steps):
            start, end = step.window(run.as_of)
            later = [self._due(anchor, other, run.as_of) for other in self.steps[number + 1 :]]
            late = anchor <= literal(start, Instant())
            reason = case((late, TOO_LATE), *((due, SUPERSEDED) for due in later))
            length = (run.as_of - start) // timedelta(microseconds=1)
            of_use = type_coerce(type_coerce(anchor, _number()) + literal(length, _number()), Instant())
            columns = (literal(step.name).label("version"), reason.label("reason"), of_use.label("useful_until"))
            within = (anchor > literal(start - FORGOTTEN, Instant()), anchor <= literal(end, Instant()))
            wanted = true() if step.where is None else step.where
            found += [query.where(*within, wanted).add_columns(*columns) for query in super().queries(run)]
        return found

    def tell_more(self, result: JobResult, counts: Mapping[str, int]) -> None:
        for step in self.steps:
            mine = {name: counts.get(f"{step.name}_{name}", 0) for name in ("sent", "failed", "unknown")}
            prefix = f"{step.name}_cancelled_"
            skipped = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
            missed = sum(skipped.get(name, 0) for name in (TOO_LATE, SUPERSEDED))
            others = sum(counts.get(f"{step.name}_{name}", 0) for name in ("cancelled", "expired", "tries_again"))
            mine["due"] = sum(mine.values()) + others - missed
            result.details[step.name] = mine | {"skipped": skipped}
            result.counts |= {f"{step.name}_{name}": count for name, count in mine.items()}

    def _due(self, anchor: ColumnElement[Any], step: Step, as_of: datetime) -> ColumnElement[bool]:
        start, end = step.window(as_of)
        due = (anchor > literal(start, Instant())) & (anchor <= literal(end, Instant()))
        return due if step.where is None else due & step.where


def _number() -> Any:
    return Instant().impl
