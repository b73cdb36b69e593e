"""How far a part of a run is: a row that is kept with each batch, and that the attempt after a crash goes on from."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Engine, select, update

from rota.errors import RunLostError
from rota.recipes import tables
from rota.recipes.database import insert, writing
from rota.recipes.part import Counts, Part, rule_hash
from rota.recipes.rows import Key, read_key, shown

if TYPE_CHECKING:
    from rota import Run
    from rota.recipes.guard import Look

_row = tables.sweeps.c


class Place:
    """``counts``: what this attempt and those before it have done; ``after``: the last row that was looked at;
    ``canary``: whether it is at the first few rows still, and one of them was refused: ``CANARY``, ``REFUSED``, or
    nothing; ``warning``: of an attempt before this one, under another rule."""

    def __init__(self, engine: Engine, run: Run, part: Part) -> None:
        self.counts: Counts = Counter()
        self.after: Key | None = None
        self.canary = 0
        self.is_resumed = self._has_begun = False
        self.warning = ""
        self._engine, self._run, self._part = engine, run, part
        self._rule = rule_hash(part)  # once: each batch is kept under it
        self._resume()

    def begin(self, looked: Look, *, canary: bool = False) -> None:
        """Write down that the part begins, and what was overdue then; once is enough. ``canary``: a few rows go
        first."""
        if self._has_begun:
            return
        self._has_begun = True
        self.canary = tables.CANARY if canary else 0
        row = tables.of_run(self._run, self._part.key, self._rule)
        row |= {"overdue": looked.count, "oldest_at": looked.oldest, "rehearsed": self.canary}
        with writing(self._engine) as connection:
            new = insert(connection, tables.sweeps).values(row).on_conflict_do_nothing().returning(_row.run)
            if connection.scalar(new) is None:  # a rehearsal's, or one that another attempt has begun a moment ago
                again = {name: row[name] for name in ("attempt", "predicate", "rehearsed")} | {"ended_at": None}
                connection.execute(update(tables.sweeps).where(*self._mine).values(again))
                self.counts = Counter(connection.scalar(select(_row.counts).where(*self._mine)) or {})

    def move(self, connection: Connection, counts: Counts, after: Key) -> None:
        """Behind a batch, in its transaction."""
        total = _together(self.counts, counts)
        self._keep(connection, counts=total, changed=total[self._part.name], last_key=shown(after))
        self.counts, self.after = total, after

    def mark(self, canary: int) -> None:
        """One of the first few rows was refused; or (0) all were sound, and from now on it is a run to go by."""
        self.canary = canary
        with writing(self._engine) as connection:
            self._keep(connection, rehearsed=canary)

    def end(self, left: int) -> None:
        with writing(self._engine) as connection:
            self._keep(connection, ended_at=datetime.now(UTC), left_over=left)

    def _keep(self, connection: Connection, **values: Any) -> None:
        """Only for the attempt that has the run: one that was frozen meanwhile commits no more."""
        ours = _row.attempt == self._run.attempt
        if not connection.execute(update(tables.sweeps).where(*self._mine, ours).values(**values)).rowcount:
            raise RunLostError("another attempt has this run by now")

    # --- where it left off

    @property
    def _here(self) -> tuple[ColumnElement[bool], ...]:
        return (_row.run == self._run.idempotency_key, _row.part == self._part.key)

    @property
    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return (*self._here, _row.predicate == self._rule)

    def _resume(self) -> None:
        with writing(self._engine) as connection:
            self._set_aside(connection)
            # First taken over, then read: an attempt before this one may be about to commit a batch.
            begun = (*self._mine, _row.rehearsed != tables.REHEARSED)
            taken = update(tables.sweeps).where(*begun).values(attempt=self._run.attempt)
            if not connection.execute(taken).rowcount:
                self._look_for_another_rule(connection)
                return
            row = connection.execute(select(tables.sweeps).where(*self._mine)).one()
        self.is_resumed = self._has_begun = True
        self.counts, self.after, self.canary = (
            Counter(row.counts),
            read_key(self._part.rows, row.last_key),
            row.rehearsed,
        )

    def _set_aside(self, connection: Connection) -> None:
        """Where a ledger was put back, or is a new one, the numbers of runs begin again: what another run of this
        number has left is its own. A run has one moment, and what has ended is not of its first attempt."""
        run = self._run
        name = f"{run.idempotency_key}~{datetime.now(UTC).isoformat()}"
        aside = update(tables.sweeps).values(run=name)
        connection.execute(aside.where(*self._here, _row.as_of != run.as_of))
        if run.attempt == 1:
            ended = (_row.ended_at.is_not(None), _row.rehearsed != tables.REHEARSED, _row.attempt == 1)
            connection.execute(aside.where(*self._mine, *ended))

    def _look_for_another_rule(self, connection: Connection) -> None:
        begun = (_row.ended_at.is_(None), _row.rehearsed != tables.REHEARSED, _row.attempt < self._run.attempt)
        if connection.scalar(select(_row.run).where(*self._here, *begun)) is not None:
            self.warning = f"{self._part.key}: its rule was changed since it began; it begins anew"


def _together(before: Counts, now: Counts) -> Counts:
    """Added up; of what begins with ``max_``, the larger."""
    total = Counter(before)
    total.update(now)
    return Counter(dict(total) | {name: max(before[name], now[name]) for name in now if name.startswith("max_")})
