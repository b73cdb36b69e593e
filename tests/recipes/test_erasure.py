"""People who asked to be forgotten: what goes, what stays and why, and that it is done whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from rota import JobResult
from rota.errors import ConfigError, Parked, RunCancelledError
from rota.recipes import (
    Erasure,
    Safety,
    Scrub,
    Step,
    Subject,
    audit,
    bind,
    erase_subject,
    erasure_ledger,
    replay_erasures,
)
from rota.recipes.forgetting import Forgetting
from rota.recipes.rows import by_key
from rota.testing import FakeHome, make_run
from tests.recipes.conftest import NOW, cook

metadata, apart = MetaData(), MetaData()
people = Table(
    "human",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mail_address", Text, key="email"),
    Column("born", Text, nullable=False, default="1990"),
    Column("gone_on", DateTime(timezone=True), key="forgotten_at"),
)
requests = Table(
    "wish",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("of_human", ForeignKey(people.c.id, ondelete="SET NULL"), key="human_id"),
    Column("status", Text, nullable=False, default="PENDING"),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("claimed_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    Column("attempts", Integer, default=0),
    Column("error", Text),
    Column("whole", Integer, nullable=False, default=0),
)
posts = Table(
    "post",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("human_id", ForeignKey(people.c.id, ondelete="SET NULL")),
    Column("text", Text),
    Column("extra", JSON, key="data"),
)
likes = Table(
    "likes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("human_id", ForeignKey(people.c.id, ondelete="CASCADE"), nullable=False),
    Column("post_id", ForeignKey(posts.c.id, ondelete="CASCADE"), nullable=False),
)
consents = Table(
    "consent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("human_id", ForeignKey(people.c.id, ondelete="SET NULL")),
    Column("hash", Text),
)
invoices = Table(
    "invoice", metadata, Column("id", Integer, primary_key=True), Column("human_id", Integer), Column("amount", Integer)
)
beside, elsewhere = erasure_ledger(metadata, people.c.id), erasure_ledger(apart, people.c.id, column="human_id")
KEY = b"sixteen bytes or more"
PLAN = [
    Step(likes, likes.c.human_id),
    Step(posts, posts.c.human_id, "delete", "delete"),
    Step(posts, posts.c.human_id, "set", "anonymise", values={"text": lambda subject: f"by {subject.id}"},
         scrub={"data": Scrub}),
    Step(consents, consents.c.human_id, "pseudonymise", into=consents.c.hash),
    Step(invoices, invoices.c.human_id, "keep", ground="tax law, 10 years"),
    Step(people, people.c.id, "set", "anonymise", values={"email": None, "forgotten_at": lambda s: s.run.as_of}),
    Step(people, people.c.id, "delete", "delete"),
]  # fmt: skip
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def made(engine: Engine, tmp_path: Path) -> Iterator[None]:
    other = create_engine(f"sqlite:///{tmp_path}/ledger-of-erasures.db")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    metadata.create_all(engine)
    apart.create_all(other)
    bind(metadata, engine)
    bind(apart, other)
    yield
    other.dispose()


def recipe(**options: Any) -> Erasure:
    given = {
        "subject": requests.c.human_id,
        "marker": people.c.forgotten_at,
        "plan": PLAN,
        "ledger": elsewhere,
        "key": KEY,
        "mode": lambda request: "delete" if request["whole"] else "anonymise",
    }
    return Erasure(requests, **(given | options))


def ago(days: float) -> Any:
    return NOW - timedelta(days=days)


def put_people(put: Put, *numbers: int, days: float = 31, **request: Any) -> None:
    for number in numbers:
        put(people, {"id": number, "email": f"{number}@x.org"})
        put(requests, {"id": number, "human_id": number, "requested_at": ago(days), **request})
        put(posts, {"id": number, "human_id": number, "text": "t", "data": {"email": "x", "n": 1}})
        put(likes, {"id": number, "human_id": number, "post_id": number})
        put(consents, {"id": number, "human_id": number})
        put(invoices, {"id": number, "human_id": number, "amount": 5})


def done(result: JobResult) -> dict[str, int]:
    return {name: count for name, count in result.counts.items() if count}


def everything(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        return {table.name: connection.execute(select(table)).all() for table in metadata.sorted_tables}


def entries() -> list[Any]:
    with apart.info["rota.engine"].connect() as connection:
        rows = connection.execute(select(elsewhere.table).order_by(elsewhere.table.c.done_at)).mappings().all()
    return [dict(row) for row in rows]


def test_what_is_erased_what_is_pseudonymised_and_what_stays(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)
    put_people(put, 2, whole=1)
    put_people(put, 3, days=30)

    result = cook(recipe())

    assert (done(result), result.status) == ({"processed": 2, "anonymized": 1, "deleted": 1}, "success")
    assert [(row.id, row.email, row.forgotten_at is None) for row in rows_of(people)] == [
        (1, None, False), (3, "3@x.org", True),
    ]  # fmt: skip
    assert [(row.id, row.human_id, row.text, row.data) for row in rows_of(posts)] == [
        (1, 1, "by 1", {"n": 1}), (3, 3, "t", {"email": "x", "n": 1}),
    ]  # fmt: skip
    assert rows_of(likes, likes.c.id) == [3]
    assert rows_of(invoices, invoices.c.human_id) == [1, 2, 3]
    assert [row.human_id for row in rows_of(consents)] == [None, None, 3]
    assert [len(row.hash or "") for row in rows_of(consents)] == [16, 16, 0]
    assert [(row.status, row.error) for row in rows_of(requests)] == [
        ("COMPLETED", None), ("COMPLETED", None), ("PENDING", None),
    ]  # fmt: skip
    assert result.details["rows_by_table"] == {
        "erased": {"likes": 2, "post": 2, "human": 2}, "pseudonymised": {"consent": 2}, "kept": {"invoice": 2},
    }  # fmt: skip
    assert result.details["grounds"] == {"invoice": "tax law, 10 years"}
    assert done(cook(recipe(), id=2)) == {}


def test_the_account_and_the_ledger_name_nobody_but_by_a_hash(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)

    result = cook(recipe())

    [told], [entry] = rows_of(audit), entries()
    assert (told.action, told.target_table, told.count) == ("erase_subject", "human", 3)
    assert told.target_id == entry["subject_hash"] == rows_of(consents, consents.c.hash)[0]
    assert (entry["human_id"], entry["mode"], entry["request"]) == (1, "anonymise", "1")
    assert "x.org" not in repr((result, told, entry))
    assert (KEY.decode() in repr(recipe()), "x.org" in repr(subject())) == (False, False)


def subject() -> Subject:
    return Subject(id=1, hash="h", mode="delete", request=1, row={"email": "a@x.org"}, run=make_run())


def test_an_older_wish_comes_first_and_a_second_one_of_the_same_person_has_nothing_to_do(put: Put) -> None:
    put_people(put, 1, 2)
    put(requests, {"id": 3, "human_id": 1, "requested_at": ago(40), "whole": 1})

    assert done(cook(recipe())) == {"processed": 3, "deleted": 1, "anonymized": 1, "nothing_to_do": 1}


@pytest.mark.parametrize("later", [True, False])
def test_who_was_anonymised_and_then_wants_all_to_go_is_deleted(put: Put, rows_of: RowsOf, later: bool) -> None:
    put_people(put, 1)
    first = cook(recipe()) if later else None
    put(requests, {"id": 2, "human_id": 1, "requested_at": ago(30.5), "whole": 1})
    marked: list[bool] = []

    def look(_: Connection, subject: Subject) -> None:
        marked.append(subject.row["forgotten_at"] is not None)

    seen = cook(recipe(before=look), id=2, dry_run=True)
    result = cook(recipe(before=look), id=2)

    assert (first is None or done(first) == {"processed": 1, "anonymized": 1}, done(seen)["processed"]) == (
        True, 1 if later else 2,
    )  # fmt: skip
    assert done(result) == {"processed": 1 + (not later), "deleted": 1} | ({} if later else {"anonymized": 1})
    assert (rows_of(people), rows_of(posts), rows_of(requests, requests.c.status)) == ([], [], ["COMPLETED"] * 2)
    assert [entry["mode"] for entry in entries()] == ["anonymise", "delete"]
    assert marked == ([True] if later else [False, True])
    assert done(replayed()) == {"processed": 2, "nothing_to_do": 2}


def test_who_was_anonymised_need_not_be_again(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)
    cook(recipe())
    put(requests, {"id": 2, "human_id": 1, "requested_at": ago(31)})

    assert done(cook(recipe(), id=2)) == {"processed": 1, "nothing_to_do": 1}
    assert done(erase_subject(make_run(as_of=NOW), recipe(), 1, "delete")) == {"processed": 1, "deleted": 1}


def test_only_the_wishes_that_are_meant_are_touched(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, whole=1)
    put_people(put, 2, status="CANCELLED")
    put_people(put, 3)

    cook(recipe(where=requests.c.whole == 0))

    assert rows_of(requests, requests.c.status) == ["PENDING", "CANCELLED", "COMPLETED"]


@pytest.mark.parametrize("mode", ["anonymise", "delete"])
def test_a_crash_after_any_step_leaves_nobody_half_forgotten(
    put: Put, rows_of: RowsOf, engine: Engine, mode: Any
) -> None:
    put_people(put, 1)
    before = everything(engine)

    def burn(connection: Connection, _: Subject) -> None:
        connection.execute(text("SELECT 1 FROM a_table_that_is_not_there"))

    broken = [replace(step, after=burn) for step in PLAN if step.holds_in(mode)]
    for number, step in enumerate(broken, 1):
        plan = [step if (step.table, step.action) == (each.table, each.action) else each for each in PLAN]
        result = cook(recipe(plan=plan, mode=mode), id=number)

        assert (result.status, done(result)) == ("failed", {"failed": 1})
        [wish] = rows_of(requests)
        assert (wish.status, wish.attempts) == ("PENDING", number)
        assert wish.error.endswith(f"Error at {step.table.name}")
        assert everything(engine) | {"wish": []} == before | {"wish": []}
    assert done(replayed()) == {}  # the ledger took back what it had said
    assert done(cook(recipe(mode=mode), id=99))["processed"] == 1


def test_one_that_cannot_be_forgotten_leaves_the_others_their_turn_and_is_told_after_five_nights(
    put: Put, rows_of: RowsOf
) -> None:
    put_people(put, 1, 2)

    def burn(_: Connection, subject: Subject) -> None:
        if subject.id == 1:
            raise ValueError("1@x.org is not to be shown")

    found, home = [], FakeHome()
    for night in range(5):
        found.append(cook(recipe(before=burn), id=night + 1, home=home))

    assert [each.status for each in found] == ["partial", *["failed"] * 4]
    assert found[0].errors == [{"item": "1", "kind": "erasure", "message": "ValueError at human"}]
    assert found[4].warnings == ["request 1 has failed 5 times"]
    assert home.emitted == [("erasure.stuck", {"request": "1", "attempts": 5, "why": "ValueError at human"})]
    assert [(row.status, row.attempts) for row in rows_of(requests)] == [("PENDING", 5), ("COMPLETED", 0)]


def test_a_wish_that_nobody_has_tried_may_say_so_by_null(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, 2, attempts=None)

    def burn(_: Connection, subject: Subject) -> None:
        if subject.id == 1:
            raise ValueError

    result = cook(recipe(before=burn))

    assert done(result) == {"processed": 1, "anonymized": 1, "failed": 1}
    assert [(row.status, row.attempts) for row in rows_of(requests)] == [("PENDING", 1), ("COMPLETED", None)]


@pytest.mark.parametrize("odd", ["purge", "both", None, ""])
def test_a_mode_that_nobody_knows_fails_alone_and_says_so_in_the_wish(put: Put, rows_of: RowsOf, odd: Any) -> None:
    put_people(put, 1, whole=7)
    put_people(put, 2)
    whole = [Step(table, column) for table, column in (
        (likes, likes.c.human_id), (posts, posts.c.human_id), (people, people.c.id),
    )]  # fmt: skip

    found = cook(recipe(mode=lambda wish: odd if wish["whole"] else "anonymise"))
    again = cook(recipe(mode=odd, plan=whole), id=2)

    assert (found.status, done(found), done(again)) == (
        "partial", {"processed": 1, "anonymized": 1, "failed": 1}, {"failed": 1},
    )  # fmt: skip
    assert [(row.status, row.attempts, row.error) for row in rows_of(requests)] == [
        ("PENDING", 2, "UnknownModeError at human"), ("COMPLETED", 0, None),
    ]  # fmt: skip
    assert rows_of(people, people.c.email) == ["1@x.org", None]
    assert done(erase_subject(make_run(as_of=NOW), recipe(plan=whole), 1, odd)) == {"failed": 1}


def test_a_mode_that_cannot_be_told_leaves_the_others_their_turn(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, whole=7)
    put_people(put, 2)

    result = cook(recipe(mode=lambda wish: {0: "anonymise"}[wish["whole"]]))

    assert (result.status, done(result)) == ("partial", {"processed": 1, "anonymized": 1, "failed": 1})
    assert result.errors == [{"item": "1", "kind": "erasure", "message": "KeyError in the request itself"}]
    assert rows_of(requests, requests.c.status) == ["PENDING", "COMPLETED"]


def test_a_plan_that_forgets_the_person_is_no_plan(put: Put) -> None:
    put_people(put, 1)

    plan = [step for step in PLAN if step.table is not people]
    assert cook(recipe(plan=plan)).errors[0]["message"] == "IncompletePlanError at human"


def test_a_hold_keeps_the_wish_and_its_end_lets_it_go_on(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)

    held = cook(recipe(hold=lambda _connection, subject: f"lawsuit {subject.id}"))
    [wish] = rows_of(requests)
    freed = cook(recipe(), id=2)

    assert (held.status, done(held), held.warnings) == ("success", {"held": 1}, ["request 1 is held: lawsuit 1"])
    assert (wish.status, wish.attempts, wish.error) == ("PENDING", 0, "lawsuit 1")
    assert done(freed) == {"processed": 1, "anonymized": 1}
    assert rows_of(requests, requests.c.error) == [None]


def test_what_is_still_needed_is_kept_before_anything_goes(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)

    def keep_address(connection: Connection, subject: Subject) -> None:
        connection.execute(posts.insert().values(id=90, text=f"{subject.request}: {subject.row['email']}"))

    cook(recipe(before=keep_address))

    assert rows_of(posts, posts.c.text) == ["by 1", "1: 1@x.org"]


def test_one_who_cancels_while_the_job_runs_is_let_be(put: Put, rows_of: RowsOf, engine: Engine) -> None:
    put_people(put, 1, 2)

    def cancel(connection: Connection, subject: Subject) -> None:
        if subject.id == 1:
            connection.execute(update(requests).where(requests.c.id == 2).values(status="CANCELLED"))

    result = cook(recipe(before=cancel))

    assert done(result) == {"processed": 1, "anonymized": 1, "cancelled_skipped": 1}
    assert rows_of(requests, requests.c.status) == ["COMPLETED", "CANCELLED"]
    assert rows_of(people, people.c.email) == [None, "2@x.org"]


@pytest.mark.parametrize(("hours", "taken"), [(0.9, 0), (1.1, 1)])
def test_the_claim_of_a_run_that_died_lapses_after_an_hour(
    put: Put, rows_of: RowsOf, engine: Engine, hours: float, taken: int
) -> None:
    put_people(put, 1, status="PROCESSING", claimed_at=datetime.now(UTC) - timedelta(hours=hours))

    assert cook(recipe()).counts["processed"] == taken
    assert rows_of(requests, requests.c.status) == ["COMPLETED" if taken else "PROCESSING"]


def test_a_wish_that_somebody_else_took_meanwhile_is_left_to_them(put: Put, engine: Engine, rows_of: RowsOf) -> None:
    put_people(put, 1)

    class Slow(Forgetting):
        """One that is frozen between its claim and its work, for so long that its claim lapses."""

        def _attempt(self, *args: Any, **options: Any) -> Any:
            with engine.begin() as connection:
                connection.execute(update(requests).values(claimed_at=NOW))
            return super()._attempt(*args, **options)

    result = Slow(recipe(), make_run(as_of=NOW)).requests()

    assert done(result) == {"cancelled_skipped": 1}
    assert rows_of(people, people.c.email) == ["1@x.org"]


# --- the ledger, and a backup that was put back


def replayed(**options: Any) -> JobResult:
    return replay_erasures(make_run(as_of=NOW, id=99, **options), recipe())


def put_back(engine: Engine, rows: dict[str, Any]) -> None:
    """What a backup does: everything is as it was then."""
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not beside.table:
                connection.execute(delete(table))
        for table in metadata.sorted_tables:
            for row in rows[table.name]:
                connection.execute(table.insert().values(by_key(table, row._mapping)))


def test_after_a_backup_was_put_back_they_are_forgotten_again(put: Put, engine: Engine, rows_of: RowsOf) -> None:
    put_people(put, 1, 3)
    put_people(put, 2, whole=1)
    before = everything(engine)
    cook(recipe())
    after = everything(engine)
    assert done(replayed()) == {"processed": 3, "nothing_to_do": 3}

    put_back(engine, before)
    seen = replayed(dry_run=True)
    assert everything(engine) == before
    result = replayed()

    assert done(seen) == done(result) == {"processed": 3, "anonymized": 2, "deleted": 1}
    kept = {name: rows for name, rows in after.items() if name != "wish"}
    assert {name: rows for name, rows in everything(engine).items() if name != "wish"} == kept
    assert len(entries()) == 3
    assert done(cook(recipe(), id=100)) == {"processed": 3, "nothing_to_do": 3}


def test_somebody_else_with_the_same_key_is_left_alone(put: Put, engine: Engine, rows_of: RowsOf) -> None:
    put_people(put, 1, whole=1)
    cook(recipe(identity=[people.c.id, people.c.born]))
    put(people, {"id": 1, "email": "new@x.org", "born": "2001"})

    result = replay_erasures(make_run(as_of=NOW), recipe(identity=[people.c.id, people.c.born]))

    assert done(result) == {"not_the_same": 1}
    assert rows_of(people, people.c.email) == ["new@x.org"]


def test_a_replay_that_fails_does_not_make_the_ledger_forget(put: Put, engine: Engine) -> None:
    put_people(put, 1)
    before = everything(engine)
    cook(recipe())
    put_back(engine, before)

    failed = replay_erasures(make_run(as_of=NOW, id=2), recipe(plan=PLAN[:-2]))

    assert done(failed) == {"failed": 1}
    assert done(replayed()) == {"processed": 1, "anonymized": 1}


def test_the_ledger_is_written_before_what_it_tells_of_is_committed(put: Put, engine: Engine) -> None:
    put_people(put, 1)
    seen = []

    def look(connection: Any) -> None:
        seen.append(len(entries()))

    event.listen(engine, "commit", look)  # the driver of SQLite commits by a statement of its own
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: statement == "COMMIT" and look(_c))
    cook(recipe())

    assert (0 in seen, seen[-1]) == (True, 1)
    assert len(entries()) == 1


def test_beside_the_people_the_ledger_is_one_transaction_with_them(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)

    failed = cook(recipe(ledger=beside, plan=PLAN[:-2]))
    assert (done(failed), rows_of(beside.table)) == ({"failed": 1}, [])
    cook(recipe(ledger=beside), id=2)

    assert rows_of(beside.table, beside) == [1]


@pytest.mark.parametrize("statement", ["UPDATE erasure_ledger SET mode = 'x'", "DELETE FROM erasure_ledger"])
def test_nothing_is_ever_taken_out_of_the_ledger(put: Put, engine: Engine, statement: str) -> None:
    put_people(put, 1)
    cook(recipe(ledger=beside))

    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))


def test_a_run_that_is_told_to_stop_takes_back_what_it_said(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)

    class Stopped(Forgetting):
        """Told so at the worst moment: the ledger says that it was done, and it is not committed."""

        def _forget(self, *args: Any) -> Any:
            super()._forget(*args)
            raise RunCancelledError("enough")

    with pytest.raises(RunCancelledError):
        Stopped(recipe(), make_run(as_of=NOW)).requests()

    assert [each["takes_back"] is None for each in entries()] == [True, False]
    assert done(replayed()) == {}
    assert rows_of(people, people.c.email) == ["1@x.org"]


# --- by hand, dry, and what keeps it from doing harm


def test_one_person_is_forgotten_at_once_unless_something_forbids_it(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, 2, days=0)

    held = erase_subject(make_run(as_of=NOW), recipe(hold=lambda *_: "lawsuit"), 1)
    dry = erase_subject(make_run(as_of=NOW, dry_run=True), recipe(), 1, "delete")
    result = erase_subject(make_run(as_of=NOW), recipe(), 1, "delete")
    again = erase_subject(make_run(as_of=NOW), recipe(), 1, "delete")

    assert (done(held), held.warnings) == ({"held": 1}, ["held: lawsuit"])
    assert (dry.status, dry.counts, dry.details) == ("dry_run", result.counts, result.details)
    assert done(result) == {"processed": 1, "deleted": 1}
    assert done(again) == {"processed": 1, "nothing_to_do": 1}
    assert rows_of(people, people.c.id) == [2]


def test_a_dry_run_tells_the_same_and_writes_nothing(put: Put, engine: Engine) -> None:
    put_people(put, 1, 2)
    put_people(put, 3, whole=1)
    before = everything(engine)

    dry = cook(recipe(), dry_run=True)
    assert (everything(engine), entries()) == (before, [])
    wet = cook(recipe())

    assert (dry.status, dry.counts) == ("dry_run", wet.counts)
    assert dry.details["rows_by_table"] == wet.details["rows_by_table"]


def test_too_many_at_once_wait_for_a_person(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, 2, 3)
    home, few = FakeHome(), Safety(most_rows=2, pause=0)

    aborted = cook(recipe(safety=few.with_(on_guard="abort")))
    with pytest.raises(Parked):
        cook(recipe(safety=few), home=home)
    assert rows_of(requests, requests.c.status) == ["PENDING"] * 3
    home.give("approval", {"approved": True}, by="anna")
    approved = cook(recipe(safety=few), home=home)

    assert (aborted.status, aborted.details["trips"]) == ("aborted_guard", ["3 people are more than 2"])
    assert (done(approved)["anonymized"], approved.details["approved_by"]) == (3, "anna")


def test_an_approval_is_for_those_who_were_shown_and_for_what_becomes_of_them(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, 2, 3)
    home, few = FakeHome(), Safety(most_rows=2, pause=0)
    with pytest.raises(Parked):
        cook(recipe(safety=few), home=home)
    home.give("approval", {"approved": True}, by="anna")

    with pytest.raises(Parked) as another:
        cook(recipe(safety=few, mode="delete"), home=home)
    put_people(put, *range(10, 20))
    with pytest.raises(Parked) as more:
        cook(recipe(safety=few), home=home)

    assert [another.value.name, more.value.name] == ["approval:2", "approval:3"]
    assert set(rows_of(requests, requests.c.status)) == {"PENDING"}
    home.give("approval:3", {"approved": True}, by="anna")
    assert done(cook(recipe(safety=few), home=home))["anonymized"] == 13


def test_rows_that_would_go_unseen_with_others_stop_it(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1)
    careful = Safety(on_guard="abort", pause=0)

    result = cook(recipe(plan=PLAN[1:], safety=careful, mode="delete"))

    assert (result.status, len(rows_of(people))) == ("aborted_guard", 1)
    assert "rows of likes would go with those of human (ON DELETE CASCADE)" in result.details["trips"]
    assert cook(recipe(plan=PLAN[1:], safety=careful.with_(cascades={"likes"}))).status == "success"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key": b"short"}, "too short"),
        ({"ledger": posts.c.human_id}, "has no column 'subject_hash'"),
        ({"subject": likes.c.human_id}, "rows of wish go with those of human"),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_written(options: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        recipe(**options)
    with pytest.raises(ConfigError, match="has no column 'status'"):
        Erasure(posts, **{name: getattr(recipe(), name) for name in ("subject", "marker", "plan", "ledger", "key")})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"action": "shred"}, "no action 'shred'"),
        ({"mode": "some"}, "no mode 'some'"),
        ({"action": "null"}, "nothing says what to change"),
        ({"action": "set"}, "nothing says what to change"),
        ({"action": "keep"}, "needs a ground"),
        ({"action": "set", "values": {"nam": 1}}, "no column 'nam'"),
        ({"action": "pseudonymise", "match": lambda *_: None}, "where the hash goes"),
    ],
)
def test_a_step_that_cannot_be_meant_is_refused(options: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Step(posts, **{"match": posts.c.human_id, **options})


def test_columns_are_emptied_and_rows_are_found_by_a_condition(put: Put, rows_of: RowsOf) -> None:
    put_people(put, 1, 2)
    own = Step(posts, lambda connection, subject: posts.c.text == connection.scalar(select(func.max(posts.c.text))),
               "null", columns=[posts.c.text, posts.c.data])  # fmt: skip

    cook(recipe(plan=[PLAN[0], own, *PLAN[3:]], where=requests.c.id == 1))

    assert rows_of(posts, posts.c.text) == [None, None]
    assert rows_of(posts, posts.c.data) == [None, None]
