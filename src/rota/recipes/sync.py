"""Make a table say what others say: what is new in their answers, what is otherwise by now, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Column, Connection, Engine, Row, Text, and_, func, select, true, tuple_, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from rota.errors import Interrupted
from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.answers import Given, Missing, Source, status_of
from rota.recipes.approval import check
from rota.recipes.database import alike_rows, batches, engine_of, insert, reading, table_of, writing
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.rows import aware
from rota.recipes.safety import Safety
from rota.recipes.steps import merge
from rota.recipes.trouble import log_error
from rota.recipes.values import values_at

if TYPE_CHECKING:
    from rota import JobResult, Run

COUNTED = ("fetched", "new", "updated", "unchanged", "dropped", "missing", "gone", "invalid")


@dataclass(frozen=True, eq=False)
class Sync(Recipe):
    """Each source is asked by itself, and told of by itself in the details of the result.

    ``key`` names the columns that tell rows apart, which must be unique together; ``source`` says whose a row is,
    ``seen_at`` when an answer last held it. ``drop``: what need not be kept. ``also``: further values of a row that is
    new (then it is given ``None``) or changes. ``present``: values of each row that an answer holds, such as one that
    undoes what ``missing`` did. An answer that lacks more than ``most_fraction`` of ``safety`` (half) of what it should
    hold is taken for a mistake, where that is more than ``floor`` rows (20): a source of no more may lose all of them.
    """

    table: Any
    sources: Sequence[Source]
    _: KW_ONLY
    key: Sequence[str]
    source: Column[Any]
    seen_at: Column[Any]
    drop: Callable[[Given, datetime], bool] | None = None
    also: Callable[[Row[Any] | None, Given, Run], Given] | None = None
    present: Given = field(default_factory=dict)
    missing: Missing | None = None
    floor: int = 20
    safety: Safety = Safety(most_fraction=0.5, runaway=None, batch=500, on_guard="abort")  # noqa: RUF009 - it is a value

    @property
    def description(self) -> str:
        """``Make contests say what codeforces, atcoder say, unless more than 50% and 20 rows are missing at once.``"""
        names, most = ", ".join(each.name for each in self.sources), self.safety.most_fraction
        unless = "" if most is None else f", unless more than {most:.0%} and {self.floor:,} rows are missing at once"
        return f"Make {table_of(self.table).name} say what {names} say{unless}."

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        without_plan(plan)
        engine, whole, statuses = engine_of(table_of(self.table)), JobResult(), Counter[str]()
        whole.counts = dict.fromkeys(COUNTED, 0)
        if not run.dry_run:
            tables.ready(engine)
        for done, source in enumerate(self.sources):
            check(run)
            run.progress(done, len(self.sources))
            part = _Asked(self, engine, run, source).perform()
            merge(whole, source.name, part, prefix=False)
            statuses[part.status] += 1
        whole.status = status_of(statuses, dry_run=run.dry_run)
        changes = [f"{whole.counts[name]:,} {name}" for name in ("new", "updated", "gone")]
        whole.message = ", ".join(changes) + "".join(
            f"; {statuses[status]} of the sources {status}" for status in ("failed", "skipped") if statuses[status]
        )
        return whole


@dataclass(slots=True)
class _Asked:
    """One source in one run."""

    recipe: Sync
    engine: Engine
    run: Run
    source: Source
    counts: Counter[str] = field(default_factory=Counter)

    def perform(self) -> JobResult:
        from rota import JobResult

        result = JobResult(counts=dict.fromkeys(COUNTED, 0))
        if self._is_resting():
            result.status, result.details = "skipped", {"reason": "resting"}
            return result
        try:
            answer = self.source.fetch(self.run)
            for batch in batches(answer.rows, self.recipe.safety.batch):
                check(self.run)
                self._take(batch, result)
            self._finish(answer.complete, result)
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - it is the source's own
            log_error(self.run, "a source failed", error, source=self.source.name)
            result.status = "failed"
            result.add_error(self.source.name, "failed", type(error).__name__)
        result.counts |= self.counts
        return result

    def _is_resting(self) -> bool:
        if self.source.every is None or not tables.present(self.engine):
            return False
        row = tables.sweeps.c
        mine = (row.job == self.run.job, row.part == self.source.name, row.run != self.run.idempotency_key)
        with reading(self.engine) as connection:
            last = connection.scalar(select(func.max(row.ended_at)).where(*mine))
        return last is not None and last > Age.of(self.source.every).before(datetime.now(UTC))

    # --- what the answer holds

    def _take(self, batch: Sequence[Given], result: JobResult) -> None:
        """A batch that the database refuses is halved until the row is found that it refuses."""
        self.counts["fetched"] += len(batch)
        rows = {}
        for row in batch:
            given = {**row, **{name: self._key_of(name, row.get(name)) for name in self.recipe.key}}
            key = tuple(given[name] for name in self.recipe.key)
            if None in key:
                self.counts["invalid"] += 1
            elif self.recipe.drop is not None and self.recipe.drop(given, self.run.as_of):
                self.counts["dropped"] += 1
            else:
                rows[key] = given
        self._write(list(rows.values()), result)

    def _key_of(self, name: str, value: Any) -> Any:
        """A number where the table has text is that number's text: it would be another row each time."""
        is_text = isinstance(table_of(self.recipe.table).columns[name].type, Text)
        return str(value) if is_text and isinstance(value, (int, UUID)) else value

    def _write(self, rows: Sequence[Given], result: JobResult) -> None:
        if not rows:
            return
        try:
            with writing(self.engine) as connection:
                counts = self._compare(connection, rows)
        except (StatementError, TypeError, ValueError) as error:
            if isinstance(error, DBAPIError) and not isinstance(error, (IntegrityError, DataError)):
                raise
            if len(rows) == 1:
                key = "/".join(str(rows[0][name]) for name in self.recipe.key)
                result.add_error(key, "refused", type(getattr(error, "orig", error)).__name__)
                self.counts["invalid"] += 1
                return
            middle = len(rows) // 2
            self._write(rows[:middle], result)
            self._write(rows[middle:], result)
        else:
            self.counts.update(counts)

    def _compare(self, connection: Connection, rows: Sequence[Given]) -> Counter[str]:
        table, run = table_of(self.recipe.table), self.run
        keys = {tuple(given[name] for name in self.recipe.key): given for given in rows}
        columns = tuple_(*(table.columns[name] for name in self.recipe.key))
        known = connection.execute(select(table).where(columns.in_(list(keys))).with_for_update()).all()
        stored = {tuple(getattr(row, name) for name in self.recipe.key): row for row in known}
        counts, fresh, same = Counter[str](), [], []
        for key, given in keys.items():
            row = stored.get(key)
            if row is not None and not self._differs(row, given):
                same.append(key)
                continue
            values = self._values({**given, **(self.recipe.also(row, given, run) if self.recipe.also else {})})
            if row is None:
                fresh.append(values)
            elif not run.dry_run:
                connection.execute(update(table).where(columns.in_([key])).values(values))
            counts["new" if row is None else "updated"] += 1
        counts["unchanged"] = len(same)
        if run.dry_run:
            return counts
        for alike in alike_rows(fresh):
            connection.execute(insert(connection, table).values(alike).on_conflict_do_nothing())
        if same:
            connection.execute(update(table).where(columns.in_(same)).values(self._values({})))
        if changed := counts["new"] + counts["updated"]:
            tables.record(connection, run, "sync", table.name, count=changed, details={"source": self.source.name})
        return counts

    def _differs(self, row: Row[Any], given: Given) -> bool:
        wanted = {**given, **self.recipe.present}
        return any(_plain(getattr(row, name)) != _plain(value) for name, value in wanted.items())

    def _values(self, values: Given) -> dict[str, Any]:
        missed = {} if self.recipe.missing is None else {self.recipe.missing.misses.key: 0}
        ours = {self.recipe.source.key: self.source.name, self.recipe.seen_at.key: self.run.as_of, **missed}
        return values_at(table_of(self.recipe.table), {**self.recipe.present, **values, **ours}, self.run.as_of)

    # --- what it does not hold

    def _finish(self, complete: bool, result: JobResult) -> None:
        missing, run = self.recipe.missing, self.run
        if run.dry_run:
            return
        with writing(self.engine) as connection:
            if complete and missing is not None and not self._has_ended(connection):
                self._miss(connection, missing, result)
            row = tables.of_run(run, self.source.name, "")
            row |= {"counts": dict(self.counts), "ended_at": row["started_at"]}
            connection.execute(tables.insert_or_update(connection, tables.sweeps, row, ["run", "part", "predicate"]))

    def _has_ended(self, connection: Connection) -> bool:
        """Whether an attempt before this one has counted already what was missing."""
        row = tables.sweeps.c
        ended = (row.run == self.run.idempotency_key, row.part == self.source.name, row.as_of == self.run.as_of)
        return connection.scalar(select(row.run).where(*ended)) is not None

    def _miss(self, connection: Connection, missing: Missing, result: JobResult) -> None:
        table, as_of = table_of(self.recipe.table), self.run.as_of
        such = missing.where(as_of) if callable(missing.where) else missing.where
        held = and_(self.recipe.source == self.source.name, true() if such is None else such)
        seen = values_at(table, {self.recipe.seen_at.key: as_of}, as_of)[self.recipe.seen_at.key]
        absent = and_(held, self.recipe.seen_at < seen)
        total, lacking = (connection.scalar(select(func.count()).where(each)) or 0 for each in (held, absent))
        most = self.recipe.safety.most_fraction
        if most is not None and lacking > max(self.recipe.floor, total * most):
            result.status = "failed"
            result.add_error(self.source.name, "guard", f"the answer lacks {lacking:,} of {total:,} rows")
            return
        connection.execute(update(table).where(absent).values({missing.misses: missing.misses + 1}))
        over = update(table).where(absent, missing.misses == missing.after)
        gone = connection.execute(over.values(values_at(table, missing.set_values, as_of))).rowcount
        self.counts.update(missing=lacking, gone=gone)
        if gone:
            tables.record(connection, self.run, "gone", table.name, count=gone, details={"source": self.source.name})


def _plain(value: Any) -> Any:
    return aware(value) if isinstance(value, datetime) else value
