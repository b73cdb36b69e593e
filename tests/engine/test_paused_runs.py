"""Runs that a schedule has made and that have not begun when it is paused, resumed or removed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota import Rota, RotaError, every
from rota.engine.node import Node
from rota.store import nodes
from rota.testing import ManualClock, run_due
from tests.engine.helpers import work

Start = Callable[..., Node]


def states(app: Rota) -> list[str]:
    """Of the runs, oldest first."""
    return [run.state for run in reversed(app.runs.page())]


@pytest.fixture
def spread(app: Rota, clock: ManualClock) -> Rota:
    """A schedule whose run of 13:00 waits for its shift."""
    app.job("report")(lambda: None)
    run_due(app)
    app.schedules.add("hourly", "report", every("1h"), jitter="40m")
    clock.advance(hours=1)
    run_due(app)
    [run] = app.runs.page()
    assert run.state == "scheduled"
    return app


def test_a_run_that_waits_for_its_shift_does_not_start_while_its_schedule_is_paused(
    spread: Rota, clock: ManualClock
) -> None:
    spread.schedules.pause("hourly", by="anna", why="the printer burns")
    [run] = spread.runs.page()
    early = spread.why_run(run.id).summary

    clock.advance(minutes=45)
    assert run_due(spread) == []
    late = spread.why_run(run.id)

    for summary in (early, late.summary):
        assert "its schedule hourly was paused" in summary
        assert "anna: the printer burns" in summary
    assert late.facts[0].kind == "schedule_paused"


def test_a_run_that_is_resumed_before_it_is_late_starts_at_its_moment(spread: Rota, clock: ManualClock) -> None:
    spread.schedules.pause("hourly", by="anna")
    spread.schedules.resume("hourly", by="anna")

    assert run_due(spread) == []
    clock.advance(minutes=40)

    assert [run.state for run in run_due(spread)] == ["succeeded"]


def test_a_run_of_a_schedule_that_is_removed_is_cancelled_with_the_reason(spread: Rota, clock: ManualClock) -> None:
    spread.schedules.remove("hourly", by="anna")
    [run] = spread.runs.page()
    clock.advance(minutes=45)

    assert run_due(spread) == []
    assert (run.state, run.error) == ("cancelled", "its schedule was removed by anna")
    assert "removed by anna" in spread.why_run(run.id).summary
    assert [event.kind for event in spread.runs.events(run.id)] == ["run.cancelled"]


def test_a_run_of_a_schedule_that_is_gone_from_the_code_is_cancelled(
    open_app: Callable[..., Rota], ledger_url: str, clock: ManualClock
) -> None:
    old = open_app(ledger_url)
    old.job("report", schedule=every("1h"), jitter="40m")(lambda: None)
    run_due(old)
    clock.advance(hours=1)
    run_due(old)
    with old.store.write() as tx:
        for node in nodes.alive(tx):
            nodes.stop(tx, node.id, old.store.now_us())

    open_app(ledger_url).prepare()

    assert [(run.state, run.error) for run in old.runs.page()] == [("cancelled", "its schedule is gone from the code")]


@pytest.mark.parametrize(
    ("catch_up", "paused_for", "became"),
    [
        ("latest", {"minutes": 30}, ["cancelled", "cancelled", "succeeded"]),
        ("all", {"minutes": 30}, ["succeeded", "succeeded", "succeeded"]),
        ("none", {"minutes": 30}, ["cancelled", "cancelled", "cancelled"]),
        ("none", {"seconds": 10}, ["cancelled", "cancelled", "succeeded"]),
        ("all", {"days": 3}, ["cancelled", "cancelled", "cancelled"]),
        ("latest", {"days": 3}, ["cancelled", "cancelled", "cancelled"]),
    ],
    ids=str,
)
def test_runs_that_waited_go_on_as_the_schedule_catches_up(
    app: Rota, start: Start, clock: ManualClock, catch_up: str, paused_for: dict[str, int], became: list[str]
) -> None:
    app.job("report", schedule=every("10m"), overlap="queue_all", catch_up=catch_up)(lambda: None)
    node = start(app)
    for _ in range(3):  # nobody does them
        clock.advance(minutes=10)
        next(duty for duty in node.duties if duty.name == "scheduler").tick()
    assert states(app) == ["available"] * 3

    app.schedules.pause("report", by="anna")
    work(node)
    assert states(app) == ["available"] * 3
    clock.advance(**paused_for)
    app.schedules.resume("report", by="anna")
    for _ in range(3):
        work(node)

    assert states(app)[:3] == became
    given_up = [run for run in app.runs.page() if run.state == "cancelled"]
    assert all((run.error or "").startswith("its schedule was paused meanwhile: ") for run in given_up)


def test_a_run_that_waits_behind_another_one_does_not_start_when_that_ends(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("report", schedule=every("10m"), overlap="queue_all")(lambda: None)
    node = start(app)
    scheduler = next(duty for duty in node.duties if duty.name == "scheduler")
    for _ in range(2):
        clock.advance(minutes=10)
        scheduler.tick()
    node.worker.tick()  # begins the first, and holds the second for the limit of one

    app.schedules.pause("report", by="anna")
    work(node)
    for duty in (node.worker, next(each for each in node.duties if each.name == "stager")):
        duty.tick()
    work(node)

    assert states(app) == ["succeeded", "available"]


def test_a_retry_waits_for_its_schedule_too(app: Rota, clock: ManualClock) -> None:
    tried: list[int] = []

    @app.job("report", schedule=every("1h"), overlap="allow")
    def report() -> None:
        tried.append(1)
        if len(tried) == 1:
            raise RotaError("not now")

    run_due(app)
    clock.advance(hours=1)
    run_due(app)
    app.schedules.pause("report", by="anna")
    clock.advance(minutes=10)
    run_due(app)
    assert len(tried) == 1

    app.schedules.resume("report", by="anna")
    run_due(app)

    assert len(tried) == 2


def test_a_failure_while_it_is_paused_is_not_tried_again_before_it_goes_on(app: Rota, clock: ManualClock) -> None:
    tried: list[int] = []

    @app.job("report", schedule=every("1h"), overlap="allow")
    def report() -> None:
        tried.append(1)
        if len(tried) == 1:
            app.schedules.pause("report", by="anna")
            raise RotaError("not now")

    run_due(app)
    clock.advance(hours=1)
    run_due(app)
    clock.advance(minutes=10)
    run_due(app)
    assert len(tried) == 1
    [run] = app.runs.page()
    assert "its schedule report was paused" in app.why_run(run.id).summary

    app.schedules.resume("report", by="anna")
    run_due(app)

    assert len(tried) == 2


def test_what_a_person_asks_for_runs_though_the_schedule_is_paused(spread: Rota) -> None:
    spread.schedules.run_now("hourly", by="ben")
    spread.schedules.pause("hourly", by="anna")

    assert [run.asked_by for run in run_due(spread)] == ["ben"]


def test_pausing_one_schedule_holds_no_run_of_another(app: Rota, clock: ManualClock) -> None:
    app.job("report")(lambda: None)
    run_due(app)
    for name in ("one", "two"):
        app.schedules.add(name, "report", every("1h"), jitter="30m")
    clock.advance(hours=1)
    run_due(app)

    app.schedules.pause("one", by="anna")
    clock.advance(minutes=31)

    assert [run.schedule for run in run_due(app)] == ["two"]
