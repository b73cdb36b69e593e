"""A ledger that was copied becomes one of its own, and what is due in it goes as was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rota import Rota, Run, every
from rota.errors import ConfigError
from rota.model.attempt import Claimant
from rota.store import nodes, runs
from rota.testing import ManualClock, captured_events, run_due
from tests.copies import copy_of, execute

AT_ONCE = 3
"""So few at one time here, that there is a second stretch."""


def shop(url: str, clock: ManualClock, environment: str | None = "production") -> Rota:
    app = Rota(url, clock=clock, environment=environment)

    @app.job(schedule=every("1h"), catch_up="all")
    def hourly() -> None: ...

    @app.job
    def mail(to: str) -> None: ...

    @app.job
    def spread(run: Run) -> int:
        return run.fan_out(mail, [{"to": "a"}, {"to": "b"}], then=report)

    @app.job
    def report(batch: dict[str, int]) -> None: ...

    return app


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.app.adoption.AT_ONCE", AT_ONCE)


@contextmanager
def copied(url: str, clock: ManualClock, environment: str | None = "staging") -> Iterator[Rota]:
    """A copy in which five mails wait, one for later, one runs, a batch is not over, and two hours are due."""
    original = shop(url, clock)
    run_due(original)
    running = original.enqueue("mail", to="running").id
    with original.store.write() as tx:
        [claimed] = runs.claim(tx, "default", "mail", Claimant("gone", 1), 1, original.store.now_us())
    assert claimed.id == running
    original.enqueue_many("mail", [{"to": str(number)} for number in range(5)])
    original.options(delay="1d", key="later").enqueue("mail", to="later")
    with original.store.write() as tx:
        tx.run("batches.add", parent_run_id=None, job="mail", total=0, then_job="report", then_arguments="{}", now=1)
    original.close()
    clock.advance(hours=2, minutes=30)
    with copy_of(url, "copy") as copy:
        app = shop(copy, clock, environment)
        yield app
        app.close()


def test_as_a_copy_nothing_of_the_original_is_done(database_url: str, clock: ManualClock) -> None:
    with copied(database_url, clock) as app:
        original = app.passport()
        with captured_events(app) as events:
            event = app.adopt("staging", by="anna", missed="skip", waiting="cancel")
        assert event is not None
        assert (event.data["skipped"], event.data["cancelled"]) == (2, 7)
        assert [each.kind for each in events] == ["ledger.adopted"]  # no listener acts on what others did
        assert run_due(app) == []

        cancelled = app.runs.page(state="cancelled")
        assert {each.error for each in cancelled} == {"the ledger was adopted as staging by anna"}
        assert "the ledger was adopted as staging by anna" in app.why_run(cancelled[0].id).summary
        [attempt] = app.runs.attempts(min(each.id for each in cancelled))
        assert (attempt.node, attempt.outcome) == ("gone", "cancelled")
        skipped = app.schedules.fires("hourly")[0]
        assert (skipped.verdict, skipped.moments, skipped.reason) == (
            "skipped",
            2,
            "the ledger was adopted as staging by anna",
        )
        passport = app.passport()
        assert (passport.environment, passport.fits) == ("staging", True)
        assert passport.id != original.id

        clock.advance(hours=1)
        app.enqueue("mail", to="new")
        app.options(key="later").enqueue("mail", to="again")
        assert [run.job for run in run_due(app)] == ["mail", "mail", "hourly"]


def test_in_place_of_the_original_all_of_it_is_done(database_url: str, clock: ManualClock) -> None:
    with copied(database_url, clock, "production") as app:
        before = app.passport()
        app.adopt("production", by="anna", missed="fire", waiting="keep")
        with app.store.write() as tx:  # its node is gone, as the rescuer will find
            assert nodes.alive(tx)
        ended = [run.job for run in run_due(app)]

        assert (ended.count("mail"), ended.count("hourly"), ended.count("report")) == (5, 2, 1)
        assert app.runs.page(state="running")[0].node == "gone"
        assert app.passport().id == before.id


def test_each_choice_stands_by_itself(database_url: str, clock: ManualClock) -> None:
    with copied(database_url, clock) as app:
        app.adopt("staging", by="anna", missed="fire", waiting="cancel")
        assert [run.job for run in run_due(app)] == ["hourly", "hourly"]


def test_cut_short_it_stays_held_and_is_begun_again(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(database_url, clock) as app:
        with monkeypatch.context() as patch:
            patch.setattr("rota.app.adoption.Adoption._conclude", lambda self: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                app.adopt("staging", by="anna", missed="skip", waiting="cancel")
        assert not app.passport().fits
        assert app.adopt("staging", by="anna", missed="skip", waiting="cancel") is not None
        assert run_due(app) == []


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"missed": "skip", "waiting": "cancel"}, "say which it is of from now on"),
        ({"environment": "staging", "missed": "skip"}, "say what becomes of what is due"),
        ({"environment": "staging", "waiting": "keep"}, "say what becomes of what is due"),
        ({"environment": "staging", "missed": "never", "waiting": "keep"}, "one of fire, skip"),
        ({"environment": "", "missed": "skip", "waiting": "keep"}, "environment"),
    ],
)
def test_what_matters_has_to_be_said(sqlite_url: str, clock: ManualClock, given: dict[str, str], wrong: str) -> None:
    with copied(sqlite_url, clock) as app:
        with pytest.raises(ConfigError, match=wrong):
            app.adopt(by="anna", **given)
        assert not app.passport().fits
        assert len(app.runs.page(state="available")) == 5


def test_a_schedule_that_cannot_be_read_here_does_not_fire(sqlite_url: str, clock: ManualClock) -> None:
    with copied(sqlite_url, clock) as app:
        execute(app.store.database.path and f"sqlite:///{app.store.database.path}", _of_no_zone())  # type: ignore[attr-defined]
        app.adopt("staging", by="anna", missed="skip", waiting="cancel")

        hourly = app.schedules.get("hourly")
        assert hourly.paused_by == "anna"
        assert "cannot be read here" in str(hourly.paused_why)


def _of_no_zone() -> str:
    trigger = '{"kind": "cron", "expression": "0 * * * *", "tz": "Nowhere/Land"}'
    return f"UPDATE rota_schedule SET definition = json_set(definition, '$.trigger', json('{trigger}'))"


def test_what_runs_in_a_ledger_that_fits_goes_on(database_url: str, clock: ManualClock) -> None:
    """A ledger that was put back so that nobody could tell: its past may be given up all the same."""
    app = shop(database_url, clock)
    run_due(app)
    app.enqueue("mail", to="running")
    with app.store.write() as tx:
        runs.claim(tx, "default", "mail", Claimant("works", 1), 1, app.store.now_us())
    app.enqueue("mail", to="waits")
    event = app.adopt("production", by="anna", waiting="cancel")

    assert event is not None
    assert event.data["cancelled"] == 1
    assert [run.node for run in app.runs.page(state="running")] == ["works"]
    app.close()
