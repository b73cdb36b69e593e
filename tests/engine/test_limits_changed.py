"""What waits already goes by the limits that its job has now, not by those of the release that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rota import Rota
from rota.engine.node import Node
from rota.testing import ManualClock, run_due

Start = Callable[..., Node]


@pytest.fixture
def release(database_url: str, clock: ManualClock) -> Callable[..., Rota]:
    """The application with the job ``work`` under these policies."""

    def make(**policies: Any) -> Rota:
        app = Rota(database_url, clock=clock)
        app.job("work", **policies)(lambda n=0: None)
        app.prepare()
        return app

    return make


def claim(node: Node) -> int:
    return len(node.claimer.claim({"thread": 50})[0])


def states(app: Rota) -> dict[str, int]:
    runs = app.runs.page(limit=1_000)
    return {state: sum(run.state == state for run in runs) for state in ("available", "running", "succeeded")}


@pytest.mark.parametrize(("before", "now"), [(6, 1), (1, 6), (None, 2)])
def test_a_count_that_is_changed_holds_for_those_that_wait(
    release: Callable[..., Rota], start: Start, before: int | None, now: int
) -> None:
    release(concurrency=before).handles["work"].enqueue_many([{} for _ in range(20)])
    app = release(concurrency=now)
    node = start(app)

    for _ in range(5):
        move_up(node)
        assert claim(node) <= now
        assert states(app)["running"] <= now
    assert states(app)["running"] == now


def test_those_that_stand_in_line_already_go_by_it_too(release: Callable[..., Rota], start: Start) -> None:
    old = release(concurrency=1)
    old.handles["work"].enqueue_many([{} for _ in range(20)])
    assert sum(run.held_by is not None for run in old.runs.page(limit=100)) == 19
    app = release(concurrency=4)
    node = start(app)

    move_up(node)

    assert claim(node) == 4


def test_a_limit_that_is_given_up_lets_all_go(release: Callable[..., Rota]) -> None:
    release(concurrency=1).handles["work"].enqueue_many([{} for _ in range(20)])
    app = release()

    run_due(app)

    assert states(app)["succeeded"] == 20


def test_a_key_that_is_new_is_made_for_those_that_wait(release: Callable[..., Rota], start: Start) -> None:
    release().handles["work"].enqueue_many([{"n": n % 2} for n in range(20)])
    app = release(concurrency_key=lambda n: n)
    node = start(app)

    assert claim(node) == 2
    assert {run.limit_key for run in app.runs.page(state="running")} == {"job:work:0", "job:work:1"}


def test_one_whose_new_key_cannot_be_made_is_counted_with_those_like_it(
    release: Callable[..., Rota], start: Start
) -> None:
    release().handles["work"].enqueue_many([{} for _ in range(5)])
    app = release(concurrency_key=lambda n: n)
    node = start(app)

    assert claim(node) == 1
    assert [run.limit_key for run in app.runs.page(state="running")] == ["job:work"]


def test_a_rate_that_is_new_holds_for_those_that_wait(release: Callable[..., Rota], clock: ManualClock) -> None:
    release().handles["work"].enqueue_many([{} for _ in range(20)])
    app = release(rate="5/m")

    run_due(app)
    assert states(app) == {"available": 15, "running": 0, "succeeded": 5}

    clock.advance(seconds=12)
    run_due(app)
    assert states(app)["succeeded"] == 6


def test_why_tells_the_count_of_now(release: Callable[..., Rota], start: Start) -> None:
    release(concurrency=6).handles["work"].enqueue_many([{} for _ in range(20)])
    app = release(concurrency=1)
    claim(start(app))

    waiting = app.runs.page(state="available", limit=1)[0]
    assert "no more than 1 may run at once under job:work" in app.why_run(waiting.id).summary


def move_up(node: Node) -> None:
    """The stager looks who may leave the line."""
    next(duty for duty in node.duties if duty.name == "stager").tick()
