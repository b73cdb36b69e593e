"""What others say of rows that are kept here as well: who is asked, and what an answer means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Column

from rota.recipes.age import Age
from rota.recipes.rows import Where

if TYPE_CHECKING:
    from rota import Run

Given = Mapping[str, Any]
"""A row of an answer, by the names of columns."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``complete``: what it does not hold is missing. Otherwise, nothing is known of the rest."""

    rows: Iterable[Given]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """What ``fetch`` raises fails this source alone. ``every``: it is not asked again so soon."""

    name: str
    fetch: Callable[[Run], Answer]
    every: Age | timedelta | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Rows that ``after`` complete answers in a row did not hold get ``set_values``; ``misses`` counts them. ``where``:
    the rows that an answer must hold."""

    misses: Column[Any]
    set_values: Given
    after: int = 2
    where: Where | None = None


def status_of(
    statuses: Counter[str], *, dry_run: bool
) -> Literal["success", "partial", "failed", "skipped", "dry_run"]:
    """Of a run over sources, of which so many ended in each way."""
    if statuses["failed"]:
        return "partial" if statuses.total() > statuses["failed"] else "failed"
    if dry_run:
        return "dry_run"
    return "skipped" if statuses["skipped"] == statuses.total() else "success"
