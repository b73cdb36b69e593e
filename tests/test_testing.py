"""What the tests of applications are given: all that is due worked off, events caught, a run without a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota import Blueprint, Failed, Retry, Rota, Run, every
from rota.errors import ConfigError, Parked, PayloadError, RunCancelledError
from rota.testing import FakeHome, ManualClock, captured_events, make_run, run_due

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def app(sqlite_url: str, clock: ManualClock) -> Any:
    app = Rota(sqlite_url, clock=clock)
    app.prepare()
    yield app
    app.close()


def test_everything_that_is_due_is_worked_off_with_all_it_leads_to(app: Rota, clock: ManualClock) -> None:
    done: list[str] = []
    blueprint = Blueprint("shop")

    @blueprint.job(schedule=every("6h"))
    def sync(run: Run) -> None:
        done.append("sync")
        mail.enqueue(word="first")
        run.fan_out(child, [{}, {}], then=after)

    @blueprint.job
    def mail(word: str) -> None:
        done.append(word)
        if word == "first":
            mail.enqueue(word="second")

    @blueprint.job
    def child() -> None:
        done.append("child")

    @blueprint.job
    def after(batch: dict[str, int]) -> None:
        done.append(f"after {batch['succeeded']}")

    app.include(blueprint)
    assert run_due(app) == []
    clock.advance(hours=6)
    runs = run_due(app)

    assert sorted(done) == ["after 2", "child", "child", "first", "second", "sync"]
    assert sorted(run.job for run in runs) == sorted(
        ["shop/sync", "shop/mail", "shop/mail", "shop/child", "shop/child", "shop/after"]
    )
    assert {run.state for run in runs} == {"succeeded"}
    assert run_due(app) == []


def test_a_retry_that_is_due_later_waits_for_the_clock(app: Rota, clock: ManualClock) -> None:
    app.job("job", retry=Retry(attempts=2, delays=[60]))(lambda: Failed("no"))
    handle = app.enqueue("job")

    [run] = run_due(app)
    assert (run.id, run.state) == (handle.id, "scheduled")
    assert run_due(app) == []
    clock.advance(minutes=1)
    [run] = run_due(app)

    assert run.state == "failed"


def test_the_rounds_can_be_limited(app: Rota) -> None:
    app.job("again")(lambda: app.enqueue("again"))
    app.enqueue("again")

    assert len(run_due(app, rounds=5)) <= 6


def test_it_needs_a_clock_that_stands_still(sqlite_url: str) -> None:
    app = Rota(sqlite_url)

    with pytest.raises(ConfigError, match="manual clock"):
        run_due(app)
    app.close()


def test_events_are_caught_by_kind_while_it_lasts(app: Rota) -> None:
    app.job("good")(lambda run: run.emit("breaker.opened", name="x"))
    app.job("bad", retry=1)(lambda: Failed("no"))

    with captured_events(app) as everything, captured_events(app, "run.failed") as failed:
        app.enqueue("good")
        app.enqueue("bad")
        run_due(app)
    app.enqueue("bad")
    run_due(app)

    assert sorted(event.kind for event in everything) == ["breaker.opened", "run.failed", "run.succeeded"]
    assert [event.kind for event in failed] == ["run.failed"]


def test_a_body_can_be_called_without_a_ledger() -> None:
    home = FakeHome()
    run = make_run(
        as_of=NOON, due_at=NOON - timedelta(hours=1), checkpoint={"page": 3}, attempt=2, actor="anna", home=home
    )

    assert (run.attempt, run.as_of, run.due_at, run.actor) == (2, NOON, NOON - timedelta(hours=1), "anna")
    assert run.checkpoint == {"page": 3}
    run.save_checkpoint({"page": 4})
    run.emit("breaker.opened", name="x")
    run.progress(3, 10)
    run.log.info("hello", rows=3)
    assert list(run.batches([1, 2, 3], size=2)) == [[1, 2], [3]]
    assert run.fan_out("child", [{}], then="after") == 1
    with run.lock("billing"):
        pass
    run.sleep(0)

    assert (home.checkpoints, run.checkpoint) == ([{"page": 4}], {"page": 4})
    assert home.emitted == [("breaker.opened", {"name": "x"})]
    assert home.fanned_out == [("child", [{}], "after")]
    assert (home.progress.done, home.progress.total) == (3, 3)


def test_a_body_can_be_told_to_stop() -> None:
    home = FakeHome()
    run = make_run(home=home)
    home.stop(RunCancelledError("enough"))

    assert run.cancelled
    for look in (run.check, lambda: run.sleep(10), lambda: list(run.batches([1])), lambda: run.save_checkpoint(1)):
        with pytest.raises(RunCancelledError, match="enough"):
            look()


@pytest.mark.parametrize(
    ("options", "dry_run", "muted"),
    [({}, False, False), ({"dry_run": True}, True, True), ({"muted": True}, False, True)],
)
def test_the_modes_of_a_run(options: dict[str, bool], dry_run: bool, muted: bool) -> None:
    run = make_run(**options)  # type: ignore[arg-type]

    assert (run.dry_run, run.muted) == (dry_run, muted)


def test_batches_of_no_size_are_refused_and_those_of_a_stream_have_no_total() -> None:
    home = FakeHome()
    run = make_run(home=home)

    with pytest.raises(ConfigError):
        list(run.batches([1], size=0))
    assert list(run.batches(iter(range(5)), size=2)) == [[0, 1], [2, 3], [4]]
    assert (home.progress.done, home.progress.total) == (5, None)


def test_a_body_that_waits_can_be_called_without_a_ledger() -> None:
    home, calls = FakeHome(), []

    def body(run: Run) -> Any:
        run.step("one", calls.append, "one")
        return run.wait_for("approval", "1h", about="a test")

    with pytest.raises(Parked, match="it waits for the signal approval") as parked:
        body(make_run(home=home))
    assert (parked.value.timeout, parked.value.about) == (3600, "a test")
    home.give("approval", {"approved": True}, by="anna", why="why not")
    signal = body(make_run(home=home))
    assert (signal.approved, signal.by, signal.why, signal.timed_out) == (True, "anna", "why not", False)
    home.time_out("approval")
    assert body(make_run(home=home)).timed_out
    assert (calls, home.steps) == (["one"], {"one": None})
    with pytest.raises(PayloadError):
        home.give("approval", {1})


def test_a_run_that_waits_goes_on_with_what_the_test_gives(app: Rota, clock: ManualClock) -> None:
    app.job("ask")(lambda run: run.wait_for("approval", "1h").approved)
    first, second = app.enqueue("ask"), app.enqueue("ask")

    assert [run.state for run in run_due(app)] == ["waiting"] * 2
    app.runs.approve(first.id, "anna")
    assert [(run.id, run.result) for run in run_due(app)] == [(first.id, "true")]
    clock.advance(hours=1)
    assert [(run.id, run.result) for run in run_due(app)] == [(second.id, "false")]
