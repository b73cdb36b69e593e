"""The one loop under every recipe that changes rows.

Pages by key; the predicate again in the statement that changes; one transaction a batch, with the account of it and the
place to go on from. A run that was killed goes on behind its last batch, under the ``as_of`` that it began with.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Engine, func, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from rota.errors import ConfigError, RotaError, RunLostError
from rota.recipes import tables
from rota.recipes.database import insert, reading, writing
from rota.recipes.gate import may_go_on
from rota.recipes.guard import Look
from rota.recipes.pressure import Pressure
from rota.recipes.rows import Key, Rows, read_key, shown
from rota.recipes.rule import digest, without_moments
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from rota import JobResult, Run
    from rota.recipes.archive import Sink

SLOW_SECONDS, QUICK_SECONDS = 2.0, 0.5
SMALLEST = 10
LOCKED_TRIES = 6
LOOK_SECONDS = 1.0
Counts = Counter[str]
"""How many rows were changed, by the name of the part; and whatever else was counted on the way."""
Change = Callable[[Connection, Sequence[Key]], Counts]
"""Changes rows of these keys of which the predicate still holds."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows, what is done to them, and within which limits; ``sink`` keeps them before that."""

    name: str
    """What its rows are counted as."""
    action: str
    rows: Rows
    change: Change
    safety: Safety
    sink: Sink | None = None
    also: tuple[str, ...] = ()
    """What else it counts: told also where it is nothing."""
    step: str = ""
    """Its step, where a recipe has several."""
    every_row: bool = False
    """The rule may hold of a row when it is done as well: all are gone through once, and none is left over."""
    says: Any = None
    """What else makes it this rule: what is set, what goes with its rows."""

    @property
    def key(self) -> str:
        """The name that it has within its job."""
        return f"{self.step}.{self.name}" if self.step else self.name


@dataclass(slots=True)
class Place:
    """How far a part of a run is: kept with each batch."""

    counts: Counts = field(default_factory=Counter)
    after: Key | None = None
    is_resumed: bool = False
    canary: int = 0
    """Whether it is at the first few rows still, and one of them was refused: ``CANARY``, ``REFUSED``, or nothing."""


class ArchiveMismatchError(RotaError):
    """Rows were changed between their archive and their deletion: the batch is rolled back."""


class Sweep:
    """Works one part off. ``stopped``: why it ended before all was done; nothing if it did not."""

    def __init__(self, engine: Engine, run: Run, part: Part, result: JobResult) -> None:
        self.stopped = ""
        self._engine = engine
        self._run = run
        self._part = part
        self._result = result
        self._rule = rule_hash(part)  # once: each batch is kept under it
        self._size = self._most = part.safety.batch
        self._pressure = Pressure(engine, part.rows.table, getattr(part.sink, "disk", None))
        self._looked_at = 0.0
        self._has_begun = False
        self._refused: set[Key] = set()
        self._archive = None if part.sink is None else part.sink.of(part.rows)
        self.place = self._resume()

    @property
    def changed(self) -> int:
        """How many rows, by this attempt and those before it."""
        return self.place.counts[self._part.name]

    @property
    def met_refusals(self) -> bool:
        """Whether a row was refused, in this attempt or among the first few rows of one before it."""
        return bool(self._refused) or self.place.canary == tables.REFUSED

    def begin(self, looked: Look, *, canary: bool = False) -> None:
        """Write down that the part begins, and what was overdue then; once is enough. ``canary``: a few rows go first,
        until ``promote``."""
        if self._has_begun:
            return
        self._has_begun = True
        self.place.canary = tables.CANARY if canary else 0
        run, part = self._run, self._part
        row = {
            "run": run.idempotency_key,
            "part": part.key,
            "job": run.job,
            "attempt": run.attempt,
            "as_of": run.as_of,
            "predicate": self._rule,
            "started_at": datetime.now(UTC),
            "overdue": looked.count,
            "oldest_at": looked.oldest,
            "counts": {},
            "rehearsed": self.place.canary,
        }
        with writing(self._engine) as connection:
            new = insert(connection, tables.sweeps).values(row).on_conflict_do_nothing().returning(tables.sweeps.c.run)
            if connection.scalar(new) is None:  # a rehearsal's, or one that another attempt has begun a moment ago
                again = {name: row[name] for name in ("attempt", "predicate", "rehearsed")} | {"ended_at": None}
                connection.execute(update(tables.sweeps).where(*self._mine).values(again))
                kept = connection.scalar(select(tables.sweeps.c.counts).where(*self._mine))
                self.place.counts = Counter(kept or {})

    def promote(self) -> None:
        """The first few rows were sound: from now on it is a run to go by."""
        self.place.canary = 0
        with writing(self._engine) as connection:
            self._keep(connection, rehearsed=0)

    def work_off(self, total: int, most: int | None = None) -> int:
        """Batch after batch, until there is none or something stops it; ``most``: no more rows than that. Returns how
        many it changed, of this attempt and those before it."""
        before = -1
        while before < self.changed and self._has_more():  # what others held locked in one pass is met in the next
            before = self.changed
            self._pass(total, most)
            self.place.after = None
            if self._part.every_row:
                break
        return self.changed

    def _pass(self, total: int, most: int | None) -> None:
        """Over all rows once, from the place on."""
        more = True
        while more and not self.stopped and (most is None or self.changed < most):
            if not self._may_go_on():
                break
            more = self._next(self._size if most is None else min(self._size, most - self.changed))
            self._run.progress(self.changed, max(total, self.changed))

    def _has_more(self) -> bool:
        if self.stopped or self._part.every_row:
            return not self.stopped
        with reading(self._engine) as connection:
            return self._part.rows.count(connection, len(self._refused) + 1) > len(self._refused)

    def end(self, left: int) -> None:
        with writing(self._engine) as connection:
            self._keep(connection, ended_at=datetime.now(UTC), left_over=left)

    # --- one batch

    def _next(self, size: int) -> bool:
        """Whether there may be more."""
        for attempt in range(LOCKED_TRIES):
            started = time.monotonic()
            keys: list[Key] = []
            try:
                with writing(self._engine) as connection:
                    self._pressure.waited = time.monotonic() - started
                    keys += self._keys(connection, size)
                    if sound := [key for key in keys if key not in self._refused]:
                        self._apply(connection, sound)
                    elif keys:
                        self.place.after = keys[-1]
            except OperationalError as error:
                if not is_locked(error) or attempt == LOCKED_TRIES - 1:
                    raise
                self._size = size = max(1, size // 2)
                self._run.sleep(0.2 * 2**attempt)
                continue
            except DBAPIError as error:
                if not is_refusal(error):
                    raise
                self._one_by_one([key for key in keys if key not in self._refused], error)
            self._size = self._next_size(time.monotonic() - started)
            if len(keys) < size:
                return False
            self._run.sleep(self._pause)
            return True
        return False

    def _keys(self, connection: Connection, size: int) -> list[Key]:
        page = self._part.rows.page(self.place.after, size)
        if connection.dialect.name == "postgresql":
            page = page.with_for_update(skip_locked=not self._part.every_row, of=self._part.rows.table)
        return [tuple(row) for row in connection.execute(page)]

    def _apply(self, connection: Connection, keys: Sequence[Key]) -> None:
        run, part = self._run, self._part
        archive = self._archive(connection, run, keys) if self._archive is not None else None
        counts = part.change(connection, keys)
        self._check_ends(connection, keys, counts[part.name])
        if archive is not None:
            if counts[part.name] != archive["rows"]:
                raise ArchiveMismatchError(f"{archive['rows']} rows were kept, and {counts[part.name]} would go")
            counts.update(archive.pop("counts", {}))
        total = _together(self.place.counts, counts)
        self._keep(connection, counts=total, changed=total[part.name], last_key=shown(keys[-1]))
        if count := counts[part.name]:
            sample = [shown(key) for key in keys[: part.safety.sample]]
            tables.record(
                connection, run, part.action, part.rows.table.name, count=count, cutoff=part.rows.cutoff, sample=sample,
                archive=archive, details={"part": part.key},
            )  # fmt: skip
        self.place = replace(self.place, counts=total, after=keys[-1])

    def _check_ends(self, connection: Connection, keys: Sequence[Key], changed: int) -> None:
        """A change after which its rule holds still would be made for ever."""
        part = self._part
        if part.every_row or part.action == "delete" or not changed:
            return
        still = connection.scalar(select(func.count()).select_from(part.rows.table).where(part.rows.among(keys))) or 0
        if changed + still > len(keys):
            raise ConfigError(
                f"{part.key}: rows of {part.rows.table.name} that were changed are found by the same rule again",
                hint="Let where= leave out what set_values= make of a row, or it would be changed for ever.",
            )

    def _one_by_one(self, keys: Sequence[Key], error: DBAPIError) -> None:
        """A batch that the database refuses is halved until the row is found that it refuses; the others go on."""
        if len(keys) == 1:
            self._result.add_error(shown(keys[0]), "refused", type(error.orig).__name__)
            self._refused.add(keys[0])
            self.place.after = keys[0]
            if self.place.canary:
                self.place.canary = tables.REFUSED
                with writing(self._engine) as connection:
                    self._keep(connection, rehearsed=tables.REFUSED)
            return
        middle = len(keys) // 2
        for half in (keys[:middle], keys[middle:]):
            try:
                with writing(self._engine) as connection:
                    self._apply(connection, half)
            except DBAPIError as again:
                if not is_refusal(again):
                    raise
                self._one_by_one(half, again)

    def _keep(self, connection: Connection, **values: Any) -> None:
        """Only for the attempt that has the run: one that was frozen meanwhile commits no more."""
        ours = tables.sweeps.c.attempt == self._run.attempt
        if not connection.execute(update(tables.sweeps).where(*self._mine, ours).values(**values)).rowcount:
            raise RunLostError("another attempt has this run by now")

    # --- whether to go on, and how fast

    def _next_size(self, seconds: float) -> int:
        if seconds > SLOW_SECONDS:
            return max(SMALLEST, self._size // 2)
        return min(self._most, self._size * 2) if seconds < QUICK_SECONDS else self._size

    def _may_go_on(self) -> bool:
        """Looks at the clock, at what a person has set, and at the database, once a second."""
        if not may_go_on(self._run, self._part.safety):
            self.stopped = f"its window {self._part.safety.window} UTC is over"
            return False
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return True
        self._read_limits()
        if not self.stopped:
            self._pressure.wait(self._run)
        self._looked_at = time.monotonic()
        return not self.stopped

    def _read_limits(self) -> None:
        with reading(self._engine) as connection:
            row = connection.execute(select(tables.limits).where(tables.limits.c.job == self._run.job)).one_or_none()
        self._pause, self._most = self._part.safety.pause_seconds, self._part.safety.batch
        if row is None:
            return
        if row.pause_ms is not None:
            self._pause = row.pause_ms / 1_000
        if row.batch is not None:
            self._most = row.batch
            self._size = min(self._size, row.batch)
        if row.stopped:
            self.stopped = f"{row.changed_by} stopped it"

    # --- where it left off

    @property
    def _here(self) -> tuple[ColumnElement[bool], ...]:
        return (tables.sweeps.c.run == self._run.idempotency_key, tables.sweeps.c.part == self._part.key)

    @property
    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return (*self._here, tables.sweeps.c.predicate == self._rule)

    def _resume(self) -> Place:
        run, part = self._run, self._part
        self._pause = part.safety.pause_seconds
        with writing(self._engine) as connection:
            self._set_aside(connection)
            # First taken over, then read: an attempt before this one may be about to commit a batch.
            begun = (*self._mine, tables.sweeps.c.rehearsed != tables.REHEARSED)
            if not connection.execute(update(tables.sweeps).where(*begun).values(attempt=run.attempt)).rowcount:
                self._warn_of_another_rule(connection)
                return Place()
            row = connection.execute(select(tables.sweeps).where(*self._mine)).one()
        self._has_begun = True
        return Place(Counter(row.counts), read_key(part.rows, row.last_key), is_resumed=True, canary=row.rehearsed)

    def _set_aside(self, connection: Connection) -> None:
        """Where a ledger was put back, or is a new one, the numbers of runs begin again: what another run of this
        number has left is its own. A run has one moment, and what has ended is not of its first attempt."""
        run, row = self._run, tables.sweeps.c
        name = f"{run.idempotency_key}~{datetime.now(UTC).isoformat()}"
        aside = update(tables.sweeps).values(run=name)
        connection.execute(aside.where(*self._here, row.as_of != run.as_of))
        if run.attempt == 1:
            ended = (row.ended_at.is_not(None), row.rehearsed != tables.REHEARSED, row.attempt == 1)
            connection.execute(aside.where(*self._mine, *ended))

    def _warn_of_another_rule(self, connection: Connection) -> None:
        row = tables.sweeps.c
        begun = (row.ended_at.is_(None), row.rehearsed != tables.REHEARSED, row.attempt < self._run.attempt)
        if connection.scalar(select(row.run).where(*self._here, *begun)) is not None:
            self._result.warnings.append(f"{self._part.key}: its rule was changed since it began; it begins anew")


def _together(before: Counts, now: Counts) -> Counts:
    """Added up; of what begins with ``max_``, the larger."""
    total = Counter(before)
    total.update(now)
    return Counter(dict(total) | {name: max(before[name], now[name]) for name in now if name.startswith("max_")})


def rule_hash(part: Part) -> str:
    """What a rule says and what is done by it, without the moment that it is asked at."""
    rows = part.rows
    rule = without_moments(rows.where) if rows.rule is None else rows.rule
    return digest(rows.table, part.action, rule, rows.age, str(rows.older_than), part.sink, part.says)


def is_refusal(error: DBAPIError) -> bool:
    """Whether the database refuses a row: by a constraint, or by a trigger that raises."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return isinstance(error, (IntegrityError, DataError)) or state[:2] in {"22", "23", "44", "45", "P0"}


def is_locked(error: OperationalError) -> bool:
    """Whether somebody else has what is needed, so that it is worth another try."""
    state = getattr(error.orig, "sqlstate", None)
    return state in {"55P03", "40P01", "40001"} or "locked" in str(error.orig).lower()
