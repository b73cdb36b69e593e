"""Whether a recipe keeps up: what is overdue, what comes in, what goes out, and when it will have caught up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Engine, select

from rota.recipes import tables
from rota.recipes.database import reading
from rota.recipes.rows import Rows

RUNS = 30


@dataclass(frozen=True, slots=True)
class Debt:
    """``overdue`` after its last run; ``intake`` and ``drain`` in rows a day, where two runs or more tell of them."""

    overdue: int
    oldest: datetime | None
    runs: int
    intake: float | None = None
    drain: float | None = None

    def caught_up_at(self, now: datetime) -> datetime | None:
        """When nothing will be overdue; ``None`` where that is so, or where more comes in than goes out."""
        if not self.overdue or self.intake is None or self.drain is None or self.drain <= self.intake:
            return None
        return now + timedelta(days=self.overdue / (self.drain - self.intake))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How many rows a run found to be overdue when it began, and how many it changed; a dry run changes none."""

    at: datetime
    run: str
    foreseen: int
    changed: int | None = None
    left: int | None = None


def past_runs(engine: Engine, job: str, part: str, count: int) -> list[Forecast]:
    """The newest first; of dry runs nothing is kept here."""
    if not tables.present(engine):
        return []
    row = tables.sweeps.c
    columns = (row.started_at, row.run, row.overdue, row.changed, row.left_over)
    mine = select(*columns).where(row.job == job, row.part == part).order_by(row.started_at.desc()).limit(count)
    with reading(engine) as connection:
        found = connection.execute(mine).all()
    return [
        Forecast(at=at, run=run, foreseen=overdue, changed=changed, left=left)
        for at, run, overdue, changed, left in found
    ]


def debt_of(engine: Engine, job: str, part: str, rows: Rows | None = None) -> Debt | None:
    """By the last runs that ended; ``None`` where there was none. Where ``rows`` were put back since, they are counted
    once more."""
    if not tables.present(engine):
        return None
    row = tables.sweeps.c
    mine = (row.job == job, row.part == part, row.ended_at.is_not(None))
    with reading(engine) as connection:
        runs = connection.execute(select(tables.sweeps).where(*mine).order_by(row.started_at.desc()).limit(RUNS)).all()
    if not runs:
        return None
    runs = list(reversed(runs))
    overdue, oldest = runs[-1].left_over, runs[-1].oldest_at if runs[-1].left_over else None
    if rows is not None and _were_put_back(engine, job, rows.table.name, runs[-1].ended_at):
        with reading(engine) as connection:
            overdue, (oldest, _) = rows.count(connection), rows.ages(connection)
    days = (runs[-1].started_at - runs[0].started_at).total_seconds() / 86_400
    if days <= 0:
        return Debt(overdue, oldest, len(runs))
    came = sum(max(0, after.overdue - before.left_over) for before, after in pairwise(runs))
    went = sum(run.changed for run in runs[1:])
    return Debt(overdue, oldest, len(runs), came / days, went / days)


def _were_put_back(engine: Engine, job: str, table: str, since: datetime) -> bool:
    entry = tables.audit.c
    undone = (entry.job == job, entry.target_table == table, entry.action == "undo", entry.at >= since)
    with reading(engine) as connection:
        return connection.scalar(select(entry.id).where(*undone).limit(1)) is not None
