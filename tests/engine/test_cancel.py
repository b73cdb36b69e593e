"""Stopping a run, by a person or by its time: waiting, running, over; the body looks, never does, or awaits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from rota import Cancelled, Failed, Retry, Rota, Run
from rota.engine.node import Node
from rota.errors import ConflictError, NotFoundError, RunCancelledError, RunTimedOutError
from rota.model.attempt import Claimant
from rota.store import runs
from rota.testing import ManualClock, run_due
from tests.engine.helpers import attempts, finish, kinds, until, work

Start = Callable[..., Node]


class Bodies:
    """Bodies that say when they began, and end when they are told to."""

    def __init__(self, app: Rota, **policies: Any) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.noted: list[str] = []
        given = {"retry": Retry(attempts=1), **policies}
        app.job("checks", **given)(self.checks)
        app.job("returns", **given)(self.returns)
        app.job("deaf", **given)(self.deaf)
        app.job("awaits", **given)(self.awaits)
        app.job("swallows", **given)(self.swallows)
        app.job("busy", **given)(self.busy)
        app.job("fails", **given)(self.fails)

    def checks(self, run: Run) -> str:
        self.begun.set()
        try:
            run.sleep(10)
        except Exception as error:
            self.noted.append(type(error).__name__)
            raise
        return "done"

    def returns(self, run: Run) -> str:
        self.begun.set()
        until(lambda: run.cancelled)
        return "early"

    def deaf(self) -> str:
        self.begun.set()
        self.go.wait(60)
        return "done"

    async def awaits(self) -> str:
        self.begun.set()
        try:
            await asyncio.sleep(10)
        finally:
            self.noted.append("cleaned up")
        return "done"

    async def swallows(self) -> str:
        self.begun.set()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            self.noted.append("swallowed")
        return "early"

    async def busy(self) -> str:
        """Never awaits, so the cancellation cannot reach it."""
        self.begun.set()
        self.go.wait(60)
        return "done"

    def fails(self) -> Failed:
        self.begun.set()
        self.go.wait(60)
        return Failed("broken")


def begin(app: Rota, node: Node, bodies: Bodies, name: str) -> Any:
    handle = app.enqueue(name)
    node.worker.tick()
    assert bodies.begun.wait(60)
    return handle


def look(node: Node, *names: str) -> None:
    for duty in node.duties:
        if duty.name in names:
            duty.tick()


RUNNING = [
    ("checks", "cancelled", ["RunCancelledError"]),
    ("returns", "cancelled", []),
    ("deaf", "succeeded", []),
    ("awaits", "cancelled", ["cleaned up"]),
    ("swallows", "cancelled", ["swallowed"]),
    ("busy", "succeeded", []),
    ("fails", "cancelled", []),
]


@pytest.mark.parametrize(("name", "state", "noted"), RUNNING)
def test_a_running_body_is_asked_to_stop_and_may_clean_up(
    app: Rota, start: Start, name: str, state: str, noted: list[str]
) -> None:
    bodies = Bodies(app, retry=Retry(attempts=3))
    node = start(app)
    handle = begin(app, node, bodies, name)

    assert app.runs.cancel(handle.id, "anna") == "running"
    look(node, "watcher")
    bodies.go.set()
    finish(node)

    assert (handle.state, bodies.noted) == (state, noted)
    assert "run.cancel_requested" in kinds(app, handle.id)
    assert ("run.cancelled" in kinds(app, handle.id)) == (state == "cancelled")
    if state == "cancelled" and name != "fails":
        assert attempts(app, handle.id) == [(1, "cancelled")]
        assert "anna" in (handle.record().error or "")


@pytest.mark.parametrize(("name", "state", "noted"), RUNNING)
@pytest.mark.defect("ALL-5")
def test_a_body_whose_time_is_up_is_told_and_the_attempt_has_failed(
    app: Rota, start: Start, name: str, state: str, noted: list[str]
) -> None:
    bodies = Bodies(app, timeout=0.02, retry=Retry(attempts=2, delays=[60]))
    node = start(app)
    handle = begin(app, node, bodies, name)

    until(node.inflight.overdue)
    look(node, "guard")
    bodies.go.set()
    finish(node)

    expected = "scheduled" if state == "cancelled" else state
    noted = [word.replace("RunCancelled", "RunTimedOut") for word in noted]
    assert (handle.state, bodies.noted) == (expected, noted)
    outcome = {"deaf": [(1, "succeeded")], "busy": [(1, "succeeded")], "fails": [(1, "failed")]}.get(
        name, [(1, "timed_out")]
    )
    assert attempts(app, handle.id) == outcome  # work that was done, if late, counts
    assert ("run.timed_out" in kinds(app, handle.id)) == (outcome == [(1, "timed_out")])


def test_a_waiting_run_is_cancelled_at_once(app: Rota, clock: ManualClock) -> None:
    done: list[int] = []
    app.job("job")(lambda run: done.append(run.id))
    now, later = app.enqueue("job"), app.options(delay="1h").enqueue("job")

    for handle in (now, later):
        assert app.runs.cancel(handle.id, "anna") == "cancelled"
    clock.advance(hours=2)
    run_due(app)

    assert (now.state, later.state, done) == ("cancelled", "cancelled", [])
    [event] = app.runs.events(now.id)
    assert (event.kind, event.actor) == ("run.cancelled", "anna")


def test_what_is_over_cannot_be_cancelled(app: Rota) -> None:
    app.job("good")(lambda: None)
    app.job("bad", retry=1)(lambda: Failed("no"))
    handles = [app.enqueue("good"), app.enqueue("bad"), app.enqueue("good")]
    app.runs.cancel(handles[2].id, "anna")
    run_due(app)

    for handle, state in zip(handles, ("succeeded", "failed", "cancelled"), strict=True):
        with pytest.raises(ConflictError, match=f"is {state} already"):
            app.runs.cancel(handle.id, "anna")
        assert handle.state == state
    with pytest.raises(NotFoundError):
        app.runs.cancel(10**9, "anna")


def test_a_run_that_is_told_to_stop_before_its_body_began_does_not_begin(app: Rota, start: Start) -> None:
    bodies = Bodies(app)
    node = start(app, threads=1)
    first = begin(app, node, bodies, "deaf")
    second = app.enqueue("checks")
    with app.store.single() as tx:
        node.worker.begin(runs.claim(tx, "default", "checks", Claimant(node.identity.id, 99), 1, app.store.now_us()))

    app.runs.cancel(second.id, "anna")
    look(node, "watcher")
    bodies.go.set()
    finish(node)

    assert (first.state, second.state, bodies.noted) == ("succeeded", "cancelled", [])


def test_a_cancelled_run_frees_what_it_held(app: Rota, start: Start) -> None:
    bodies = Bodies(app, concurrency=1)
    node = start(app)
    first = begin(app, node, bodies, "checks")
    second = app.enqueue("checks")
    node.worker.tick()
    assert "concurrency" in (second.record().held_by or "")

    app.runs.cancel(first.id, "anna")
    look(node, "watcher")
    finish(node)
    app.runs.cancel(second.id, "anna")
    third = app.enqueue("deaf")
    bodies.go.set()
    work(node)

    assert (first.state, second.state, third.state) == ("cancelled", "cancelled", "succeeded")


def test_the_first_reason_to_stop_stays(app: Rota, start: Start) -> None:
    bodies = Bodies(app, timeout=0.02)
    node = start(app)
    handle = begin(app, node, bodies, "deaf")
    [run] = node.inflight

    app.runs.cancel(handle.id, "anna")
    look(node, "watcher")
    until(node.inflight.overdue)
    look(node, "guard")

    assert isinstance(run.signal.reason, RunCancelledError)
    assert not isinstance(run.signal.reason, RunTimedOutError)
    bodies.go.set()
    finish(node)


def test_a_body_that_gives_up_by_itself_is_cancelled_and_not_retried(app: Rota) -> None:
    app.job("job")(lambda: Cancelled("nothing to do"))
    handle = app.enqueue("job")
    run_due(app)

    assert (handle.state, handle.record().error) == ("cancelled", "nothing to do")


def test_a_run_cancelled_before_it_began_stays_so_though_it_is_handed_back(app: Rota) -> None:
    bodies = Bodies(app)
    for name in ("deaf", "awaits"):
        handle = app.enqueue(name)
        with app.store.write() as tx:
            [claim] = runs.claim(tx, "default", name, Claimant("another", 1), 1, app.store.now_us())
        app.runs.cancel(handle.id, "anna")
        with app.store.write() as tx:
            runs.hand_back(tx, "another", [claim.key])
        run_due(app)

        assert (handle.state, handle.record().error) == ("cancelled", "cancelled by anna")
    assert not bodies.begun.is_set()


def test_a_run_that_ends_while_somebody_cancels_it_is_over(postgres_url: str) -> None:
    app = Rota(postgres_url)
    app.job("job")(lambda: None)
    app.prepare()
    handle = app.enqueue("job")
    asked: list[object] = []

    def cancel() -> None:
        try:
            asked.append(app.runs.cancel(handle.id, "anna"))
        except ConflictError as error:
            asked.append(str(error))

    thread = threading.Thread(target=cancel)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(postgres_url, autocommit=True) as looking, psycopg.connect(postgres_url) as ending:
        ending.execute("UPDATE rota_run SET state = 'failed', finished_at = 1 WHERE id = %s", (handle.id,))
        thread.start()
        until(lambda: looking.execute(waits).fetchone() == (1,))
        ending.commit()
        thread.join(60)
    told = kinds(app, handle.id)
    app.close()

    assert asked == [f"run {handle.id} is failed already"]
    assert told == []
