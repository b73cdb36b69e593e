"""One run of an erasure: claims a request, goes through the plan, writes down what went, what stays, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, Engine, and_, null, or_, select, update

from rota.errors import Interrupted, RotaError
from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.erasure_plan import BUCKETS, Mode, Step, Subject
from rota.recipes.erasure_requests import Requests
from rota.recipes.forgotten import Book
from rota.recipes.gate import is_allowed, may_go_on
from rota.recipes.guard import cascades
from rota.recipes.rows import Rows, by_key, moment_for, shown
from rota.recipes.rule import digest

if TYPE_CHECKING:
    from rota import JobResult, Run

LEASE = timedelta(hours=1)
STUCK = 5
"""Attempts, from which on people are told."""
_COUNTS = ("processed", "anonymized", "deleted", "nothing_to_do", "cancelled_skipped", "held", "failed")
Buckets = Mapping[str, Mapping[str, int]]


class IncompletePlanError(Exception):
    """After all steps the person's own row is as it was: it is neither gone nor has it the marker."""


class UnknownModeError(Exception):
    """A request that is to be granted in a way that no plan has steps for."""


class _Held(Exception):  # noqa: N818 - no error
    """Something forbids it, for now."""


class _Undone(NamedTuple):
    """Why nothing was changed, without a word of whom it is about."""

    why: str
    is_failure: bool


class _Passed(Exception):  # noqa: N818 - no error
    """Somebody else has the request, or the key is somebody else's by now: it says what that is counted as."""


class Forgetting:
    """What one run does, for requests, for one person or for the ledger."""

    def __init__(self, recipe: Requests, run: Run) -> None:
        from rota import JobResult

        self.recipe, self.run = recipe, run
        self.engine: Engine = engine_of(recipe.requests)
        self.result = JobResult(counts=dict.fromkeys(_COUNTS, 0))
        self.rows: dict[str, Counter[str]] = defaultdict(Counter)
        self.grounds: dict[str, str] = {}
        self.book = Book(recipe.ledger, self.engine)
        self.at = ""
        """The table of the step that is being done."""
        if not run.dry_run:
            tables.ready(self.engine)

    def requests(self) -> JobResult:
        """Those that are due, the oldest first."""
        recipe, result, table = self.recipe, self.result, self.recipe.requests
        in_turn = (table.c.requested_at, *table.primary_key.columns)
        with reading(self.engine) as connection:
            due = connection.execute(select(table).where(self._due()).order_by(*in_turn)).mappings().all()
        trips = self._trips(len(due))
        if self.run.dry_run:
            result.details["trips"] = trips
        elif not is_allowed(self.run, recipe.safety, result, table.name, trips, rule=self._rule, count=len(due)):
            return result
        for done, request in enumerate(due):
            if not may_go_on(self.run, recipe.safety):
                result.details["stopped"] = f"its window {recipe.safety.window} UTC is over"
                break
            try:
                self._request(by_key(table, request))
            except (Interrupted, RotaError):
                raise
            except Exception as error:  # noqa: BLE001 - an odd request leaves the others their turn
                key = shown([request[column] for column in table.primary_key.columns])
                result.counts["failed"] += 1
                result.add_error(key, "erasure", f"{type(error).__name__} in the request itself")
            self.run.progress(done + 1, len(due))
        return self._settle()

    def one(self, subject_id: Any, mode: Mode) -> JobResult:
        self._attempt(subject_id, mode)
        return self._settle()

    def replay(self) -> JobResult:
        """Whom the ledger names and the database has again."""
        self.result.counts["not_the_same"] = 0
        for entry in self.book.entries():
            self.run.check()
            self._attempt(entry.subject_id, entry.mode, expected=entry.subject_hash)
        return self._settle()

    # --- one person

    def _request(self, request: Mapping[str, Any]) -> None:
        recipe, table = self.recipe, self.recipe.requests
        [key] = (request[column.key] for column in table.primary_key.columns)
        mode = recipe.mode(request) if callable(recipe.mode) else recipe.mode
        if self.run.dry_run:
            self._attempt(request[recipe.subject.key], mode)
            return
        claimed_at = moment_for(table.c.claimed_at, datetime.now(UTC))
        mine = Rows(table, and_(table.c.status == "PROCESSING", table.c.claimed_at == claimed_at)).among([(key,)])
        due = Rows(table, self._due()).among([(key,)])
        if not self._put(due, status="PROCESSING", claimed_at=claimed_at):
            self.result.counts["cancelled_skipped"] += 1
            return
        done = {"status": "COMPLETED", "completed_at": moment_for(table.c.completed_at, self.run.as_of)}

        def complete(connection: Connection) -> None:
            if not connection.execute(update(table).where(mine).values(done | {"error": null()})).rowcount:
                raise _Passed("cancelled_skipped")

        undone = self._attempt(request[recipe.subject.key], mode, key, complete)
        if undone is not None:
            attempts = (request["attempts"] or 0) + undone.is_failure
            self._put(mine, status="PENDING", error=undone.why, attempts=attempts)
            if undone.is_failure and attempts >= STUCK:
                self.result.warnings.append(f"request {key} has failed {attempts} times")
                self.run.emit("erasure.stuck", request=str(key), attempts=attempts, why=undone.why)

    def _put(self, where: ColumnElement[bool], **values: Any) -> int:
        with writing(self.engine) as connection:
            return connection.execute(update(self.recipe.requests).where(where).values(values)).rowcount

    def _attempt(
        self,
        subject_id: Any,
        mode: Mode,
        request: Any = None,
        complete: Callable[[Connection], None] | None = None,
        expected: str | None = None,
    ) -> _Undone | None:
        """One transaction, or a look in a dry run; ``expected``: the hash of whom it was done to before."""
        counts, self.at = self.result.counts, self.recipe.people.name
        try:
            if self.run.dry_run:
                with reading(self.engine) as connection:
                    buckets = self._forget(connection, subject_id, mode, request, expected)
            else:
                with writing(self.engine) as connection:
                    if complete is not None:
                        complete(connection)
                    buckets = self._forget(connection, subject_id, mode, request, expected)
        except _Passed as passed:
            counts[str(passed)] += 1
        except _Held as held:
            counts["held"] += 1
            self.result.warnings.append(f"held: {held}" if request is None else f"request {request} is held: {held}")
            return _Undone(str(held), is_failure=False)
        except Interrupted:
            self.book.take_back()
            raise
        except Exception as error:  # noqa: BLE001 - one person's leaves the others their turn
            self.book.take_back()
            counts["failed"] += 1
            why = f"{type(error).__name__} at {self.at}"
            self.result.add_error("subject" if request is None else request, "erasure", why)
            return _Undone(why, is_failure=True)
        else:
            self.book.settle()
            self._count(mode, buckets)
        return None

    def _forget(
        self, connection: Connection, subject_id: Any, mode: Mode, request: Any, expected: str | None
    ) -> Buckets | None:
        """Asks what forbids it, keeps what is still needed, goes through the plan, and writes it down. Nothing where
        the row is gone already, or is anonymised and need be no more than that."""
        if mode not in get_args(Mode):
            raise UnknownModeError
        recipe, row = self.recipe, self._find(connection, subject_id)
        if row is None or (mode == "anonymise" and self._is_marked(row)):
            return None
        subject = Subject(id=subject_id, hash=recipe.hash_of(row), mode=mode, request=request, row=row, run=self.run)
        if expected not in (None, subject.hash):
            raise _Passed("not_the_same")
        if recipe.hold is not None and (ground := recipe.hold(connection, subject)):
            raise _Held(ground)
        steps = [step for step in recipe.plan if step.holds_in(mode)]
        if self.run.dry_run:
            return self._by_bucket((step, step.count(connection, subject)) for step in steps)
        if recipe.before is not None:
            recipe.before(connection, subject)
        buckets = self._by_bucket(self._performed(connection, subject, steps))
        self.at = recipe.people.name
        left = self._find(connection, subject_id)
        if left is not None and not self._is_marked(left):
            raise IncompletePlanError
        told = {"mode": mode, "rows": buckets, "request": None if request is None else str(request)}
        erased = sum(buckets["erased"].values())
        tables.record(
            connection, self.run, "erase_subject", self.at, target_id=subject.hash, count=erased, details=told
        )
        if expected is None:
            self.book.keep(connection, subject, told | {"grounds": self.grounds})
        return buckets

    def _find(self, connection: Connection, subject_id: Any) -> Mapping[str, Any] | None:
        """The row of somebody who is there, anonymised or not."""
        recipe = self.recipe
        found = select(recipe.people).where(recipe.person == subject_id)
        if not self.run.dry_run:
            found = found.with_for_update()
        row = None if subject_id is None else connection.execute(found).mappings().one_or_none()
        return None if row is None else by_key(recipe.people, row)

    def _is_marked(self, row: Mapping[str, Any]) -> bool:
        return row[self.recipe.marker.key] is not None

    def _performed(self, connection: Connection, subject: Subject, steps: Sequence[Step]) -> Iterable[tuple[Step, int]]:
        for step in steps:
            self.at = step.table.name
            yield step, step.perform(connection, subject)

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

    def _due(self) -> ColumnElement[bool]:
        """Asked for long enough ago; or claimed by a run that has died. A claim ages by the clock on the wall."""
        recipe, of = self.recipe, self.recipe.requests.c
        old = moment_for(of.requested_at, Age.of(recipe.grace).before(self.run.as_of))
        lapsed = moment_for(of.claimed_at, datetime.now(UTC) - LEASE)
        states = or_(
            and_(of.status == "PENDING", of.requested_at < old), and_(of.status == "PROCESSING", of.claimed_at < lapsed)
        )
        return states if recipe.where is None else and_(states, recipe.where)

    @property
    def _rule(self) -> str:
        recipe = self.recipe
        return digest(recipe.requests, recipe.subject, recipe.where, str(recipe.grace), recipe.mode, recipe.plan)

    def _trips(self, due: int) -> list[str]:
        """Too many at once, or rows that would go unseen with those of the plan."""
        recipe, most = self.recipe, self.recipe.safety.most_rows
        trips = [f"{due:,} people are more than {most:,}"] if most is not None and due > most else []
        named = {step.table.name for step in recipe.plan} | set(recipe.safety.cascades)
        deleted = {step.table for step in recipe.plan if step.action == "delete"} if due else set()
        with reading(self.engine) as connection:
            return [*trips, *sorted({trip for table in deleted for trip in cascades(table, named, connection)})]

    def _count(self, mode: Mode, buckets: Buckets | None) -> None:
        name = "nothing_to_do" if buckets is None else "anonymized" if mode == "anonymise" else "deleted"
        self.result.counts["processed"] += 1
        self.result.counts[name] += 1
        for bucket, found in (buckets or {}).items():
            self.rows[bucket].update(found)

    def _settle(self) -> JobResult:
        result, counts = self.result, self.result.counts
        result.details["rows_by_table"] = {name: dict(self.rows[name]) for name in dict.fromkeys(BUCKETS.values())}
        result.details["grounds"] = self.grounds
        told = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
        result.message = ", ".join(told) or "nothing to do"
        if self.run.dry_run:
            result.status = "dry_run"
        elif counts["failed"]:
            result.status = "partial" if counts["processed"] else "failed"
        elif "stopped" in result.details:
            result.status = "partial"
        return result
