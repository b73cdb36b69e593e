"""Marking what nobody uses, clearing what is over, several of them in one job, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from rota import JobResult, Run
from rota.errors import ConfigError
from rota.recipes import Inactive, Retention, Safety, Steps, Tokens, Update
from rota.recipes.debt import Debt, debt_of
from rota.recipes.tables import ready, sweeps
from tests.recipes.conftest import NOW, cook, days
from tests.recipes.tables import events, notes

ANY = Safety(most_fraction=None, runaway=None, pause=0)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]
OLD = Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY)


def test_what_is_old_is_changed_once(put: Put, rows_of: RowsOf) -> None:
    put(notes, *({"id": id_, "created_at": at} for id_, at in enumerate(days(100, 100, 1))))
    recipe = Inactive(
        notes,
        age=notes.c.created_at,
        older_than="90d",
        where=notes.c.read_at.is_(None),
        safety=ANY,
        set_values={"text": "asleep", "read_at": lambda now: now},
    )

    assert cook(recipe).counts == {"deactivated": 2}
    assert cook(recipe, id=2).counts == {"deactivated": 0}
    assert rows_of(notes, notes.c.text) == ["asleep", "asleep", None]


def test_tokens_are_cleared_a_moment_after_their_end(put: Put, rows_of: RowsOf) -> None:
    put(notes, *({"id": n, "created_at": NOW, "read_at": NOW - timedelta(seconds=n), "text": "t"} for n in range(3)))
    recipe = Tokens(
        notes,
        age=notes.c.read_at,
        older_than="0s",
        where=notes.c.text.is_not(None),
        safety=ANY,
        set_values={"text": None},
    )

    assert cook(recipe).counts == {"cleared": 2}
    assert rows_of(notes, notes.c.text) == ["t", None, None]


def test_a_change_that_does_not_end_its_rule_is_refused_before_it_is_kept(put: Put, rows_of: RowsOf) -> None:
    put(notes, *({"id": n, "created_at": days(100)[0]} for n in range(20)))
    endless = Update(
        notes, age=notes.c.created_at, older_than="90d", set_values={"text": "x"}, safety=ANY.with_(batch=5)
    )

    with pytest.raises(ConfigError, match="found by the same rule again"):
        cook(endless)

    assert rows_of(notes, notes.c.text) == [None] * 20


def test_null_is_null_also_in_a_column_of_json(put: Put, rows_of: RowsOf) -> None:
    from uuid import UUID

    put(events, {"id": UUID(int=1), "at": datetime(2024, 1, 1), "metadata": {"a": 1}})  # noqa: DTZ001 - as it is kept
    cook(Update(events, where=events.c.metadata.is_not(None), safety=ANY, set_values={"metadata": None}))

    assert rows_of(events, events.c.id, events.c.metadata.is_(None))[0][1]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="note has no column 'txt'"):
        Update(notes, where=notes.c.read_at.is_(None), set_values={"txt": 1})
    with pytest.raises(ConfigError, match="set_values= is empty"):
        Update(notes, where=notes.c.read_at.is_(None), set_values={})


def broken(run: Run) -> JobResult:
    raise RuntimeError("secret")


def test_a_step_that_fails_leaves_the_others_their_work(put: Put, rows_of: RowsOf) -> None:
    put(notes, *({"id": id_, "created_at": at} for id_, at in enumerate(days(100, 1))))

    result = cook(Steps(first=broken, notes=OLD))

    assert (result.status, result.counts) == ("partial", {"notes_deleted": 1})
    assert result.errors == [{"item": "first", "kind": "failed", "message": "RuntimeError"}]
    assert result.message == "first: RuntimeError; notes: 1 deleted"
    assert result.details["notes"]["status"] == "success"


def test_steps_tell_what_they_are_together(put: Put) -> None:
    assert Steps(notes=OLD).destructive
    assert not Steps(first=broken).destructive
    put(notes, {"id": 1, "created_at": days(100)[0]})

    assert cook(Steps(notes=OLD), dry_run=True).status == "dry_run"
    assert cook(Steps(first=broken)).status == "failed"
    tripped = Retention(notes, age=notes.c.created_at, older_than="90d", safety=Safety(most_rows=0, on_guard="abort"))
    assert cook(Steps(a=tripped, b=OLD)).status == "aborted_guard"


def ran(number: int, overdue: int, changed: int, left: int) -> dict[str, Any]:
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=number)
    return {
        "run": f"clean:{number}",
        "part": "deleted",
        "job": "clean",
        "attempt": 1,
        "as_of": at,
        "predicate": "",
        "started_at": at,
        "ended_at": at,
        "overdue": overdue,
        "changed": changed,
        "left_over": left,
        "oldest_at": at,
        "rehearsed": 0,
    }


def test_it_is_told_whether_a_recipe_keeps_up(engine: Engine, put: Put) -> None:
    assert debt_of(engine, "clean", "deleted") is None
    ready(engine)
    put(sweeps, ran(0, 1_000, 100, 900))
    first = debt_of(engine, "clean", "deleted")
    assert first is not None
    assert (first.overdue, first.intake) == (900, None)
    assert first.caught_up_at(NOW) is None

    put(sweeps, ran(1, 950, 150, 800), ran(2, 850, 150, 700))
    debt = debt_of(engine, "clean", "deleted")

    assert debt == Debt(700, datetime(2026, 3, 3, tzinfo=UTC), 3, 50, 150)
    assert debt.caught_up_at(NOW) == NOW + timedelta(days=7)
    put(sweeps, ran(3, 1_500, 100, 1_400))
    growing = debt_of(engine, "clean", "deleted")
    assert growing is not None
    assert growing.caught_up_at(NOW) is None


def test_a_plan_is_of_one_table(put: Put) -> None:
    with pytest.raises(ConfigError, match="keeps to no plan"):
        cook(Steps(notes=OLD), plan="1-abc")
