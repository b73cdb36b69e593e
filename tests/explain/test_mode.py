"""What is told of how a run was done, where its node let it do less than it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rota import Rota, Run
from rota.app.items import run_document
from rota.explain.mode import mode_of
from rota.model.run import RunRecord
from rota.testing import ManualClock, run_due
from tests.explain.helpers import sentence

Open = Callable[..., Rota]


@pytest.fixture
def open_in(database_url: str, clock: ManualClock) -> Iterator[Open]:
    """The same application, in an environment."""
    opened: list[Rota] = []

    def open_in(environment: str | None) -> Rota:
        app = Rota(database_url, clock=clock, environment=environment)

        @app.job("delete", destructive=True, retry=2)
        def delete(run: Run, fails: bool = False) -> None:
            if fails and run.dry_run:
                raise ValueError("not now")

        @app.job("mail", sends=True)
        def mail(run: Run) -> None: ...

        app.prepare()
        opened.append(app)
        return app

    yield open_in
    for app in opened:
        app.close()


def shown(app: Rota, run_id: int) -> str:
    return str(mode_of(app.runs.get(run_id), app.runs.events(run_id)))


def document(app: Rota, record: RunRecord) -> dict[str, object]:
    return run_document(record, app.runs.attempts(record.id), app.runs.events(record.id))


@pytest.mark.parametrize(
    ("job", "mode", "words"), [("delete", "dry_run", "look, and change nothing"), ("mail", "muted", "send nothing")]
)
def test_the_mode_that_a_node_applied_is_told(open_in: Open, job: str, mode: str, words: str) -> None:
    run_id = open_in(None).enqueue(job).id
    app = open_in("staging")
    assert shown(app, run_id) == ""

    run_due(app)

    assert shown(app, run_id) == f"{mode} (asked for: none; its node is in staging)"
    assert sentence(app.why_run(run_id), "mode") == (
        f"its body is told to {words}, as its node is in the environment staging"
    )
    told = document(app, app.runs.get(run_id))
    assert (told["mode"], told["applied_mode"]) == (None, mode)


def test_it_is_of_the_attempt_and_the_next_one_may_be_elsewhere(open_in: Open, clock: ManualClock) -> None:
    production = open_in("production")
    run_id = production.enqueue("delete", fails=True).id
    production.adopt("staging", by="anna")
    run_due(open_in("staging"))
    assert shown(production, run_id) == ""  # it waits for the next one

    clock.advance(minutes=10)
    production.adopt("production", by="anna")
    run_due(production)

    assert production.runs.get(run_id).state == "succeeded"
    assert shown(production, run_id) == ""
    assert production.why_run(run_id).fact("mode") is None
    assert "run.restricted" in [event.kind for event in production.runs.events(run_id)]


def test_what_was_asked_for_so_is_told_as_that(open_in: Open) -> None:
    app = open_in("staging")
    run_id = app.enqueue("delete").id
    run_due(app)

    assert shown(app, run_id) == "dry_run"
    assert (
        sentence(app.why_run(run_id), "mode") == "its body is told to look, and change nothing, as it was asked for so"
    )
    assert "run.restricted" not in [event.kind for event in app.runs.events(run_id)]


def test_where_nothing_is_held_back_there_is_nothing_to_tell(open_in: Open) -> None:
    app = open_in("production")
    run_id = app.enqueue("mail").id
    run_due(app)

    assert shown(app, run_id) == ""
    assert app.why_run(run_id).fact("mode") is None
