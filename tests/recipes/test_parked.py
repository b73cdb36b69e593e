"""A guard that trips parks the run for a person; a new recipe is let loose by degrees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from rota import Rota
from rota.recipes import Promotion, Recipe, Retention, Safety, Steps
from rota.recipes.tables import sweeps
from rota.testing import ManualClock, run_due
from tests.recipes.conftest import NOW, days
from tests.recipes.tables import comments, notes, parents

Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]
Open = Callable[[Recipe], Rota]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def opened(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    """An application with one job, the recipe."""
    apps: list[Rota] = []

    def open_(recipe: Recipe) -> Rota:
        apps.append(Rota(f"sqlite:///{tmp_path}/ledger.db", clock=clock))
        apps[-1].job("clean", retry=1)(recipe)
        apps[-1].prepare()
        return apps[-1]

    yield open_
    for app in apps:
        app.close()


def ran(app: Rota) -> int:
    run_id = app.enqueue("clean").id
    run_due(app)
    return run_id


def result(app: Rota, run_id: int) -> dict[str, Any]:
    record = app.runs.get(run_id)
    assert record.state == "succeeded", (record.state, record.error)
    found: dict[str, Any] = json.loads(record.result or "")
    return found


def trips(**safety: Any) -> Retention:
    given = Safety(**{"most_rows": 2, "pause": 0, "most_fraction": None, **safety})
    return Retention(notes, age=notes.c.created_at, older_than="90d", safety=given)


def put_old(put: Put, count: int = 5) -> None:
    put(notes, *({"id": n, "created_at": at} for n, at in enumerate(days(*[100] * count))))


def test_it_waits_for_a_person_who_is_told_what_would_go(opened: Open, put: Put, rows_of: RowsOf) -> None:
    put_old(put)
    app = opened(trips())
    run_id = ran(app)
    summary = app.why_run(run_id).summary

    assert app.runs.get(run_id).state == "waiting"
    assert "delete note: 5 rows are more than 2; before 2025-12-05T12:00:00+00:00, such as [0, 1, 2, 3, 4]" in summary
    assert "note.made_on <" in summary
    assert len(rows_of(notes)) == 5

    app.runs.approve(run_id, by="anna", why="they are old")
    run_due(app)
    assert result(app, run_id)["counts"] == {"deleted": 5}
    assert result(app, run_id)["details"]["approved_by"] == "anna"
    assert rows_of(notes) == []


def test_refused_or_forgotten_nothing_has_changed(opened: Open, put: Put, rows_of: RowsOf, clock: ManualClock) -> None:
    put_old(put)
    app = opened(trips(patience="2d"))
    refused, forgotten = ran(app), ran(app)

    app.runs.refuse(refused, by="anna", why="not now")
    clock.advance(days=2)
    run_due(app)

    assert result(app, refused)["status"] == "aborted_guard"
    assert "; anna refused it: not now" in result(app, refused)["message"]
    assert "; nobody has answered in time" in result(app, forgotten)["message"]
    assert len(rows_of(notes)) == 5


def test_what_was_approved_is_not_asked_for_again_in_a_later_attempt(opened: Open, put: Put, rows_of: RowsOf) -> None:
    put_old(put)
    app = opened(trips())
    run_id = ran(app)
    app.signal(run_id, "approval", {"approved": True}, by="anna")
    run_due(app)

    assert app.runs.get(run_id).attempt == 2
    assert rows_of(sweeps, sweeps.c.changed) == [5]


def test_each_step_waits_for_itself_and_the_others_have_done_their_work(
    opened: Open, put: Put, rows_of: RowsOf
) -> None:
    put_old(put)
    put(parents, *({"id": n, "created_at": at} for n, at in enumerate(days(100, 100, 100))))
    safety = Safety(most_rows=2, pause=0, most_fraction=None, cascades={"child"})
    old_parents = Retention(parents, age=parents.c.created_at, older_than="90d", safety=safety)
    few = Retention(comments, where=comments.c.id > 0, safety=Safety(pause=0))
    app = opened(Steps(comments=few, notes=trips(), parents=old_parents))
    run_id = ran(app)
    assert app.runs.get(run_id).waits_for == "approval:notes"

    app.runs.approve(run_id, by="anna")
    run_due(app)
    assert (len(rows_of(notes)), app.runs.get(run_id).waits_for) == (0, "approval:parents")
    app.runs.refuse(run_id, by="anna")
    run_due(app)

    found = result(app, run_id)
    assert found["status"] == "aborted_guard"
    assert found["counts"] == {"comments_deleted": 0, "notes_deleted": 5, "parents_deleted": 0}
    assert len(rows_of(parents)) == 3


def test_a_new_recipe_rehearses_asks_and_begins_with_a_few(opened: Open, put: Put, rows_of: RowsOf) -> None:
    put_old(put)
    safety = Safety(most_fraction=None, runaway=None, pause=0)
    promotion = Promotion(dry_runs=2, canary=2)
    recipe = Retention(notes, age=notes.c.created_at, older_than="90d", safety=safety, promote=promotion)
    app = opened(recipe)

    for number in (1, 2):
        message = result(app, ran(app))["message"]
        assert message.startswith("would delete 5 of 5 rows of note older than ")
        assert message.endswith(f"; rehearsal {number} of 2")
    third = ran(app)
    assert (app.runs.get(third).waits_for, len(rows_of(notes))) == ("approval:promotion", 5)
    app.runs.approve(third, by="anna")
    run_due(app)
    assert (result(app, third)["counts"], rows_of(notes)) == ({"deleted": 5}, [])
    put_old(put, 3)
    assert result(app, ran(app))["counts"] == {"deleted": 3}

    put_old(put, 3)
    app = opened(Retention(notes, age=notes.c.created_at, older_than="80d", safety=safety, promote=promotion))
    assert "rehearsal 1 of 2" in result(app, ran(app))["message"]
