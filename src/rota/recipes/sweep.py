"""The one loop under every recipe that changes rows.

Pages by key; the predicate again in the statement that changes; one transaction a batch, with the account of it and the
place to go on from. A run that was killed goes on behind its last batch, under the ``as_of`` that it began with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError, OperationalError

from rota.errors import ConfigError, RotaError
from rota.recipes import tables
from rota.recipes.approval import may_go_on
from rota.recipes.database import is_locked, is_refusal, reading, writing
from rota.recipes.part import Part
from rota.recipes.place import Place
from rota.recipes.pressure import Pressure
from rota.recipes.rows import Key, shown

if TYPE_CHECKING:
    from rota import JobResult, Run

SLOW_SECONDS, QUICK_SECONDS = 2.0, 0.5
SMALLEST = 10
LOCKED_TRIES = 6
LOOK_SECONDS = 1.0


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
        self._size = self._most = part.safety.batch
        self._pause = part.safety.pause_seconds
        self._pressure = Pressure(engine, part.rows.table, getattr(part.sink, "disk", None))
        self._looked_at = 0.0
        self._refused: set[Key] = set()
        self._archive = None if part.sink is None else part.sink.of(part.rows)
        self.place = Place(engine, run, part)
        if self.place.warning:
            result.warnings.append(self.place.warning)

    @property
    def changed(self) -> int:
        """How many rows, by this attempt and those before it."""
        return self.place.counts[self._part.name]

    @property
    def met_refusals(self) -> bool:
        """Whether a row was refused, in this attempt or among the first few rows of one before it."""
        return bool(self._refused) or self.place.canary == tables.REFUSED

    def work_off(self, total: int, most: int | None = None) -> None:
        """Batch after batch, until there is none or something stops it; ``most``: no more rows than that."""
        before = -1
        while before < self.changed and self._has_more():  # what others held locked in one pass is met in the next
            before = self.changed
            self._pass(total, most)
            self.place.after = None
            if self._part.every_row:
                break

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
        self.place.move(connection, counts, keys[-1])
        if count := counts[part.name]:
            sample = [shown(key) for key in keys[: part.safety.sample]]
            tables.record(
                connection, run, part.action, part.rows.table.name, count=count, cutoff=part.rows.cutoff, sample=sample,
                archive=archive, details={"part": part.key},
            )  # fmt: skip

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
                self.place.mark(tables.REFUSED)
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
