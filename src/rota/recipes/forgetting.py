"""One run of an erasure: claims a request, goes through the plan, writes down what went, what stays, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, Engine, and_, null, select, update

from rota.errors import Interrupted, RotaError
from rota.recipes import tables
from rota.recipes.approval import is_allowed, may_go_on
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.erasure_account import Buckets, ErasureAccount
from rota.recipes.erasure_book import Book
from rota.recipes.erasure_plan import Mode, Step, Subject
from rota.recipes.erasure_requests import Requests
from rota.recipes.rows import Rows, by_key, moment_for, shown

if TYPE_CHECKING:
    from rota import JobResult, Run

STUCK = 5
"""Attempts, from which on people are told."""


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
        self.recipe, self.run = recipe, run
        self.engine: Engine = engine_of(recipe.requests)
        self.account = ErasureAccount(dry_run=run.dry_run)
        self.result = self.account.result
        self.book = Book(recipe.ledger, self.engine)
        self.at = ""
        """The table of the step that is being done."""
        if not run.dry_run:
            tables.ready(self.engine)

    def requests(self) -> JobResult:
        """Those that are due, the oldest first."""
        recipe, run, result, table = self.recipe, self.run, self.result, self.recipe.requests
        in_turn = (table.c.requested_at, *table.primary_key.columns)
        with reading(self.engine) as connection:
            due = connection.execute(select(table).where(recipe.due(run.as_of)).order_by(*in_turn)).mappings().all()
        trips = recipe.trips(self.engine, len(due))
        if run.dry_run:
            result.details["trips"] = trips
        elif not is_allowed(run, recipe.safety, result, table.name, trips, rule=recipe.rule, count=len(due)):
            return result
        for done, request in enumerate(due):
            if not may_go_on(run, recipe.safety):
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
            run.progress(done + 1, len(due))
        return self.account.settle()

    def one(self, subject_id: Any, mode: Mode) -> JobResult:
        self._attempt(subject_id, mode)
        return self.account.settle()

    def replay(self) -> JobResult:
        """Whom the ledger names and the database has again."""
        self.result.counts["not_the_same"] = 0
        for entry in self.book.entries():
            self.run.check()
            self._attempt(entry.subject_id, entry.mode, expected=entry.subject_hash)
        return self.account.settle()

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
        due = Rows(table, recipe.due(self.run.as_of)).among([(key,)])
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
            self.account.count(mode, buckets)
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
            return self.account.by_bucket((step, step.count(connection, subject)) for step in steps)
        if recipe.before is not None:
            recipe.before(connection, subject)
        buckets = self.account.by_bucket(self._performed(connection, subject, steps))
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
            self.book.keep(connection, subject, told | {"grounds": self.account.grounds})
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
