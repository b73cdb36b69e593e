"""One run of an erasure: claims a request, goes through the plan, writes down what went, what stays, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, and_, null, or_, select, update

from rota.errors import Interrupted, RunLostError
from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.erasure_ledger import Book, last_entries
from rota.recipes.erasure_plan import BUCKETS, Mode, Step, Subject
from rota.recipes.gate import is_allowed, may_go_on
from rota.recipes.guard import cascades
from rota.recipes.rows import Rows, moment_for, read_key

if TYPE_CHECKING:
    from rota import JobResult, Run
    from rota.recipes.erasure import Erasure

LEASE = timedelta(hours=1)
STUCK = 5
"""Attempts, from which on people are told."""
_COUNTS = ("processed", "anonymized", "deleted", "nothing_to_do", "cancelled_skipped", "held", "failed")


class IncompletePlanError(Exception):
    """After all steps the person's own row is as it was: it is neither gone nor has it the marker."""


class _Held(Exception):  # noqa: N818 - no error
    """Something forbids it, for now."""


class Forgetting:
    """What one run does, for requests or for the ledger."""

    def __init__(self, recipe: Erasure, run: Run) -> None:
        from rota import JobResult

        self.recipe, self.run = recipe, run
        self.engine: Engine = engine_of(recipe.requests)
        self.result = JobResult(counts=dict.fromkeys(_COUNTS, 0))
        self.rows: dict[str, Counter[str]] = defaultdict(Counter)
        self.grounds: dict[str, str] = {}
        self.book = Book(recipe.ledger, self.engine)
        if not run.dry_run:
            tables.ready(self.engine)

    def requests(self) -> JobResult:
        """Those that are due, the oldest first."""
        recipe, result = self.recipe, self.result
        table, [key] = recipe.requests, recipe.requests.primary_key.columns
        with reading(self.engine) as connection:
            due = (
                connection.execute(select(table).where(self._due()).order_by(table.c.requested_at, key))
                .mappings()
                .all()
            )
        trips = self._trips(len(due))
        if self.run.dry_run:
            return self._rehearse(due, trips)
        if not is_allowed(self.run, recipe.safety, result, table.name, trips):
            return result
        for done, request in enumerate(due):
            if not may_go_on(self.run, recipe.safety):
                result.details["stopped"] = f"its window {recipe.safety.window} UTC is over"
                break
            self._request(dict(request), request[key.name])
            self.run.progress(done + 1, len(due))
        return self.settle()

    def replay(self) -> JobResult:
        """Whom the ledger names and the database has again."""
        recipe, after = self.recipe, 0
        rows = Rows(recipe.subjects, recipe.subjects.c[self._key.name] == self._key)
        self.result.counts["not_the_same"] = 0
        while True:
            with reading(engine_of(recipe.ledger)) as connection:
                entries = last_entries(connection, recipe.ledger, after, 500)
            for entry in entries:
                self.run.check()
                [subject_id] = read_key(rows, entry.subject_id) or (None,)
                self.attempt(entry.request, subject_id, entry.mode, expected=entry.subject_hash)
            if not entries:
                return self.settle()
            after = entries[-1].id

    # --- one person

    def _request(self, request: Mapping[str, Any], key: Any) -> None:
        recipe, table = self.recipe, self.recipe.requests
        claimed_at = moment_for(table.c.claimed_at, datetime.now(UTC))
        mine = Rows(table, and_(table.c.status == "PROCESSING", table.c.claimed_at == claimed_at)).among([(key,)])
        with writing(self.engine) as connection:
            claim = update(table).where(Rows(table, self._due()).among([(key,)]))
            if not connection.execute(claim.values(status="PROCESSING", claimed_at=claimed_at)).rowcount:
                self.result.counts["cancelled_skipped"] += 1
                return
        mode = self._mode(request)
        done = {
            "status": "COMPLETED",
            "completed_at": moment_for(table.c.completed_at, self.run.as_of),
            "error": null(),
        }

        def complete(connection: Connection) -> None:
            if not connection.execute(update(table).where(mine).values(done)).rowcount:
                raise RunLostError("somebody else has this request by now")

        if why := self.attempt(key, request[recipe.subject.name], mode, complete):
            failures = request["attempts"] + (not why.startswith("held"))
            with writing(self.engine) as connection:
                back = {"status": "PENDING", "error": why, "attempts": failures}
                connection.execute(update(table).where(mine).values(back))
            if failures >= STUCK:
                self.result.warnings.append(f"request {key} has failed {failures} times")
                self.run.emit("erasure.stuck", request=str(key), attempts=failures, why=why)

    def attempt(
        self, request: Any, subject_id: Any, mode: Mode, complete: Callable[[Connection], None] | None = None,
        *, expected: str | None = None,
    ) -> str:  # fmt: skip
        """One transaction; returns why it was rolled back, without a word of whom it is about."""
        counts, buckets, subject = self.result.counts, dict[str, dict[str, int]](), None
        try:
            with writing(self.engine) as connection:
                if complete is not None:
                    complete(connection)
                subject = self._find(connection, subject_id, mode)
                if subject is not None and expected not in (None, subject.hash):
                    counts["not_the_same"] += 1
                    return ""
                if subject is not None:
                    buckets = self._erase(connection, subject, request)
        except Interrupted:
            raise
        except _Held as held:
            counts["held"] += 1
            self.result.warnings.append(f"request {request} is held: {held}")
            return f"held: {held}"
        except Exception as error:  # noqa: BLE001 - one person's leaves the others their turn
            if subject is not None:
                self.book.take_back(subject, request)
            counts["failed"] += 1
            self.result.add_error(request, "erasure", type(error).__name__)
            return type(error).__name__
        counts["processed"] += 1
        self._add(subject, buckets)
        return ""

    def _add(self, subject: Subject | None, buckets: Mapping[str, Mapping[str, int]]) -> None:
        name = "nothing_to_do" if subject is None else "anonymized" if subject.mode == "anonymise" else "deleted"
        self.result.counts[name] += 1
        for bucket, found in buckets.items():
            self.rows[bucket].update(found)

    def _find(self, connection: Connection, subject_id: Any, mode: Mode) -> Subject | None:
        """Nobody, where the row is gone or anonymised."""
        table, key = self.recipe.subjects, self._key
        found = select(table).where(key == subject_id, self.recipe.marker.is_(None)).with_for_update()
        row = None if subject_id is None else connection.execute(found).mappings().one_or_none()
        if row is None:
            return None
        return Subject(subject_id, self.recipe.hash_of(dict(row)), mode, self.run.as_of, dict(row))

    def _erase(self, connection: Connection, subject: Subject, request: Any) -> dict[str, dict[str, int]]:
        """Asks what forbids it, keeps what is still needed, goes through the plan, and writes it down."""
        recipe = self.recipe
        if recipe.hold is not None and (ground := recipe.hold(connection, subject)):
            raise _Held(ground)
        if recipe.first is not None:
            recipe.first(connection, subject)
        buckets = self._by_bucket((step, step.perform(connection, subject)) for step in self._steps(subject.mode))
        if self._find(connection, subject.id, subject.mode) is not None:
            raise IncompletePlanError
        told = {"mode": subject.mode, "rows": buckets, "grounds": self.grounds}
        tables.record(
            connection, self.run, "erase_subject", recipe.subjects.name, target_id=subject.hash,
            count=sum(buckets["erased"].values()), details=told | {"request": str(request)},
        )  # fmt: skip
        self.book.keep(connection, subject, request, told)
        return buckets

    def _mode(self, request: Mapping[str, Any]) -> Mode:
        return self.recipe.mode(request) if callable(self.recipe.mode) else self.recipe.mode

    def _steps(self, mode: Mode) -> list[Step]:
        return [step for step in self.recipe.plan if step.holds_in(mode)]

    def _by_bucket(self, counted: Iterable[tuple[Step, int]]) -> dict[str, dict[str, int]]:
        """Erased, pseudonymised, kept: how many rows of each table."""
        buckets: dict[str, Counter[str]] = {name: Counter() for name in BUCKETS.values()}
        for step, count in counted:
            if count:
                buckets[BUCKETS[step.action]][step.table.name] += count
            if step.ground:
                self.grounds[step.table.name] = step.ground
        return {name: dict(found) for name, found in buckets.items()}

    # --- which they are, and what is told

    @property
    def _key(self) -> Column[Any]:
        return next(iter(self.recipe.subjects.primary_key.columns))

    def _due(self) -> ColumnElement[bool]:
        """Asked for long enough ago; or claimed by a run that has died. A claim ages by the clock on the wall."""
        recipe, of = self.recipe, self.recipe.requests.c
        old = moment_for(of.requested_at, Age.of(recipe.grace).before(self.run.as_of))
        lapsed = moment_for(of.claimed_at, datetime.now(UTC) - LEASE)
        states = or_(
            and_(of.status == "PENDING", of.requested_at < old), and_(of.status == "PROCESSING", of.claimed_at < lapsed)
        )
        return states if recipe.where is None else and_(states, recipe.where)

    def _trips(self, due: int) -> list[str]:
        """Too many at once, or rows that would go unseen with those of the plan."""
        recipe, most = self.recipe, self.recipe.safety.most_rows
        trips = [f"{due:,} people are more than {most:,}"] if most is not None and due > most else []
        named = {step.table.name for step in recipe.plan} | set(recipe.safety.cascades)
        deleted = {step.table for step in recipe.plan if step.action == "delete"} if due else set()
        return [*trips, *sorted({trip.text for table in deleted for trip in cascades(table, named)})]

    def _rehearse(self, due: Sequence[Mapping[Any, Any]], trips: list[str]) -> JobResult:
        recipe, result = self.recipe, self.result
        for request in due:
            mode = self._mode(dict(request))
            with reading(self.engine) as connection:
                subject = self._find(connection, request[recipe.subject.name], mode)
                if subject is None:
                    self._add(None, {})
                    continue
                if recipe.hold is not None and recipe.hold(connection, subject):
                    result.counts["held"] += 1
                    continue
                found = self._by_bucket((step, step.count(connection, subject)) for step in self._steps(mode))
            self._add(subject, found)
        self.settle()
        result.status, result.details["trips"] = "dry_run", trips
        return result

    def settle(self) -> JobResult:
        result, counts = self.result, self.result.counts
        kept = {name: {"rows": self.rows["kept"][name], "ground": ground} for name, ground in self.grounds.items()}
        result.details["rows_by_table"] = {
            "erased": dict(self.rows["erased"]), "pseudonymised": dict(self.rows["pseudonymised"]), "kept": kept,
        }  # fmt: skip
        result.message = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        result.message = result.message or "nothing to do"
        if counts["failed"]:
            result.status = "partial" if counts["processed"] else "failed"
        elif "stopped" in result.details:
            result.status = "partial"
        return result
