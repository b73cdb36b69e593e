from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, event, select

from rota.errors import ConfigError, RunLostError
from rota.recipes import Child, Retention, Safety, audit
from rota.recipes.tables import limits, sweeps
from rota.testing import FakeHome
from tests.recipes.conftest import NOW, cook, days
from tests.recipes.tables import comments, events, marks, notes

ANY = Safety(most_fraction=None, runaway=None, pause=0)
OLD = Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER held BEFORE DELETE ON note WHEN OLD.nr = 4 BEGIN SELECT RAISE(ABORT, 'legal hold'); END",
    ],
    "postgresql": [
        """CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF OLD.nr = 4 THEN RAISE EXCEPTION 'legal hold'; END IF; RETURN OLD; END$$""",
        "CREATE TRIGGER held BEFORE DELETE ON note FOR EACH ROW EXECUTE FUNCTION held()",
    ],
}


def aged(*ago: float) -> list[dict[str, Any]]:
    return [{"id": number, "created_at": at} for number, at in enumerate(days(*ago), 1)]


def test_what_is_older_goes_and_what_is_exactly_so_old_stays(put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(91, 90.0001, 90, 10))

    result = cook(OLD)

    assert rows_of(notes, notes.c.id) == [3, 4]
    assert (result.status, result.counts, result.message) == ("success", {"deleted": 2}, "2 deleted")
    assert result.details["cutoff"] == (NOW - timedelta(days=90)).isoformat()
    assert (result.details["overdue"], result.details["of"], result.details["left"]) == (2, 4, 0)
    assert cook(OLD, id=2).counts == {"deleted": 0}


@pytest.mark.defect("MB-B9")
def test_of_each_batch_there_is_an_account_in_its_own_transaction(put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(*[100] * 5, 10))

    cook(Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY.with_(batch=2)), actor="anna")

    found = [(row.count, row.sample, row.actor, row.action, row.target_table, row.run) for row in rows_of(audit)]
    assert found == [
        (count, sample, "anna", "delete", "note", "shop/clean:1")
        for count, sample in ((2, [1, 2]), (2, [3, 4]), (1, [5]))
    ]
    assert rows_of(audit)[0].cutoff == NOW - timedelta(days=90)


def test_the_rest_of_the_rule_counts_too_and_may_depend_on_the_moment(put: Put, rows_of: RowsOf) -> None:
    put(notes, *(row | {"read_at": read} for row, read in zip(aged(100, 100, 100), [None, *days(1, -1)], strict=True)))

    cook(
        Retention(notes, age=notes.c.created_at, older_than="90d", where=lambda now: notes.c.read_at < now, safety=ANY)
    )

    assert rows_of(notes, notes.c.id) == [1, 3]


def test_a_row_that_changes_between_the_look_and_the_deletion_stays(engine: Engine, put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(100, 100, 100))

    before_the_deletion(engine, "UPDATE note SET made_on = '2026-03-05 00:00:00+00' WHERE nr = 2")

    result = cook(OLD)

    assert rows_of(notes, notes.c.id) == [2]
    assert result.counts == {"deleted": 2}


@pytest.mark.parametrize("size", [1, 2, 1_000])
def test_any_kind_of_key_is_paged_by(put: Put, rows_of: RowsOf, size: int) -> None:
    ids = [uuid.UUID(int=number) for number in range(7)]
    put(events, *({"id": id_, "at": datetime(2026, 1, day + 1)} for day, id_ in enumerate(ids)))  # noqa: DTZ001 - as kept
    old = int((NOW - timedelta(days=100)).timestamp())
    put(marks, *({"day": day, "number": number, "at": old} for day in "ab" for number in range(3)))
    put(marks, {"day": "b", "number": 3, "at": int(NOW.timestamp())})
    safety = ANY.with_(batch=size)

    cook(Retention(events, age=events.c.at, older_than="60d", safety=safety))
    cook(Retention(marks, age=marks.c.at, older_than="60d", safety=safety), id=2)

    assert rows_of(events, events.c.id) == ids[4:]  # the fourth of January, 0:00, is 60 days and 12 hours before
    assert [tuple(row)[:2] for row in rows_of(marks)] == [("b", 3)]


def test_a_row_that_the_database_refuses_to_delete_leaves_the_others_their_turn(
    engine: Engine, put: Put, rows_of: RowsOf
) -> None:
    put(notes, *aged(*[100] * 9))
    put(comments, {"id": 1, "note_id": 4}, {"id": 2, "note_id": 8})
    foreign_keys(engine)

    result = cook(OLD)

    assert rows_of(notes, notes.c.id) == [4, 8]
    assert (result.status, result.counts, result.details["left"]) == ("partial", {"deleted": 7}, 2)
    assert [(each["item"], each["kind"]) for each in result.errors] == [("4", "refused"), ("8", "refused")]
    assert sum(row.count for row in rows_of(audit)) == 7


def test_a_row_that_a_trigger_refuses_leaves_the_others_their_turn(engine: Engine, put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(*[100] * 9))
    with engine.begin() as connection:
        for statement in TRIGGERS[engine.dialect.name]:
            connection.exec_driver_sql(statement)

    result = cook(OLD)

    assert (rows_of(notes, notes.c.id), result.status, result.counts) == ([4], "partial", {"deleted": 8})
    assert [(each["item"], each["kind"]) for each in result.errors] == [("4", "refused")]


def test_children_go_first_in_the_same_transaction(engine: Engine, put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(100, 10))
    put(comments, {"id": 1, "note_id": 1}, {"id": 2, "note_id": 2}, {"id": 3, "note_id": 1})
    foreign_keys(engine)

    result = cook(
        Retention(
            notes, age=notes.c.created_at, older_than="90d", safety=ANY, children=(Child(comments, comments.c.note_id),)
        )
    )

    assert result.counts == {"deleted": 1}
    assert rows_of(comments, comments.c.id) == [2]


def test_a_dry_run_writes_nothing_and_tells_what_it_would_do(engine: Engine, put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(100, 100, 10))
    before = dump(engine)

    result = cook(OLD, dry_run=True)

    assert dump(engine) == before
    assert (result.status, result.counts) == ("dry_run", {"deleted": 2})
    assert result.details["sample"] == [1, 2]
    assert result.details["statement"].startswith("DELETE FROM note WHERE note.made_on < ")
    assert ":" not in result.details["statement"].replace(":00", "")  # with its values, and no names for them
    [older] = [f"{part.rows.cutoff:%Y-%m-%d %H:%M} UTC" for part in OLD.parts(NOW)]
    assert result.message == f"would delete 2 of 3 rows of note older than {older}"


def test_a_plan_stands_for_a_tenth_more_and_for_no_other_rule(put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(*[100] * 10))
    plan = cook(OLD, dry_run=True).details["plan"]
    put(notes, *({"id": 20 + number, "created_at": at} for number, at in enumerate(days(100, 100))))

    grown = cook(OLD, plan=plan)

    assert grown.status == "aborted_guard"
    assert grown.message == "nothing was changed: there are 12 rows by now, and the plan had seen 10"
    other = Retention(notes, age=notes.c.created_at, older_than="80d", safety=ANY)
    with pytest.raises(ConfigError, match="of another rule"):
        cook(other, plan=plan)
    assert cook(OLD, plan=cook(OLD, dry_run=True).details["plan"], id=2).counts == {"deleted": 12}


@pytest.mark.defect("MB-B4")
def test_a_run_goes_on_behind_its_last_batch_and_counts_what_went_before(put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(*[100] * 10))
    recipe = Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY.with_(batch=3))
    home = FakeHome()
    stop_after(home, 2)

    with pytest.raises(RunLostError):
        cook(recipe, home=home)
    assert len(rows_of(notes)) == 4

    result = cook(recipe, attempt=2)
    assert (result.counts, result.message) == ({"deleted": 10}, "10 deleted")
    [row] = rows_of(sweeps)
    assert (row.overdue, row.changed, row.left_over, row.attempt) == (10, 10, 0, 2)


def test_an_attempt_that_was_overtaken_commits_no_more(put: Put, rows_of: RowsOf, engine: Engine) -> None:
    put(notes, *aged(*[100] * 4))
    recipe = Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY.with_(batch=2))

    before_the_deletion(engine, "UPDATE rota_recipe_sweep SET attempt = 7")

    with pytest.raises(RunLostError):
        cook(recipe)

    assert len(rows_of(notes)) == 4
    assert rows_of(audit) == []


def test_so_many_rows_a_run_and_the_rest_the_next_time(put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(*[100] * 10))
    recipe = Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY.with_(batch=4, rows_a_run=6))

    first, second = cook(recipe), cook(recipe, id=2)

    assert (first.status, first.counts, first.details["left"]) == ("partial", {"deleted": 6}, 4)
    assert (second.status, second.counts, second.details["left"]) == ("success", {"deleted": 4}, 0)


def test_a_person_may_stop_it_and_change_its_batches_while_it_runs(engine: Engine, put: Put, rows_of: RowsOf) -> None:
    put(notes, *aged(*[100] * 10))
    cook(OLD, id=9, as_of=NOW - timedelta(days=200))  # the recipes' tables are there from now on
    put(limits, {"job": "shop/clean", "batch": 3, "stopped": 0})
    cook(OLD)
    assert [row.count for row in rows_of(audit)] == [3, 3, 3, 1]

    put(notes, *aged(*[100] * 2))
    with engine.begin() as connection:
        connection.execute(limits.update().values(stopped=1, changed_by="anna"))
    result = cook(OLD, id=2)

    assert (result.status, result.message) == ("partial", "nothing to do, 2 left (anna stopped it)")


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, "nothing says which rows are meant"),
        ({"age": notes.c.created_at}, "belong together"),
        ({"older_than": "90d", "where": notes.c.read_at.is_(None)}, "belong together"),
    ],
)
def test_a_rule_that_would_take_everything_is_refused(options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        Retention(notes, **options)


def test_a_table_without_a_key_or_a_database_is_refused() -> None:
    nowhere = Table("nowhere", MetaData())
    with pytest.raises(ConfigError, match="no primary key"):
        cook(Retention(nowhere, where=select(1).exists()))


def before_the_deletion(engine: Engine, statement: str) -> None:
    """Somebody else is quicker, by a moment: between the look at the rows and their deletion."""
    left = [statement]

    @event.listens_for(engine, "before_cursor_execute")
    def interfere(connection: Any, _cursor: Any, about_to: str, *_: Any) -> None:
        if about_to.startswith("DELETE") and left:
            connection.exec_driver_sql(left.pop())


def foreign_keys(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
        engine.dispose()  # connections that are open already do not know of it


def dump(engine: Engine) -> dict[str, list[Any]]:
    """All tables that there are, with all that is in them."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {name: [tuple(row) for row in connection.execute(select(table))] for name, table in found.tables.items()}


def stop_after(home: FakeHome, batches: int) -> None:
    """The run is lost after so many batches have told of their progress."""
    told = iter(range(batches))

    class Progress(type(home.progress)):  # type: ignore[misc]
        @property
        def done(self) -> int:
            return 0

        @done.setter
        def done(self, value: int) -> None:
            if value and next(told, None) == batches - 1:
                home.stop(RunLostError("its node was lost"))

    home.progress = Progress()
