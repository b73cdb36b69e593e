"""A body that waits for a run or a lock hears that it should stop, and keeps no other from its turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from rota import Rota, Run
from rota.app.run_handle import RunHandle
from rota.engine.node import Node
from rota.errors import ConfigError
from rota.model.node import NodeSettings
from rota.testing import run_due
from tests.engine.helpers import finish, until


@pytest.fixture
def live(ledger_url: str) -> Iterator[Rota]:
    """Under a real clock, for nodes that run."""
    made = Rota(ledger_url)
    yield made
    made.close()


@pytest.fixture
def node(live: Rota) -> Iterator[Callable[..., Node]]:
    started: list[Node] = []

    def start(**settings: object) -> Node:
        live.prepare()
        started.append(live.node(NodeSettings(poll=0.05, **settings)))  # type: ignore[arg-type]
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop(drain=0)


def test_bodies_that_wait_for_runs_of_their_own_queue_go_on(live: Rota, node: Callable[..., Node]) -> None:
    together = threading.Barrier(3)
    live.job("child", retry=1)(lambda n: n)

    @live.job("parent", retry=1)
    def parent(n: int) -> str:
        together.wait(60)
        return live.enqueue("child", n=n).wait("60s").state

    handles = [parent.enqueue(n) for n in range(3)]
    node(threads=3)

    assert [handle.wait("60s").state for handle in handles] == ["succeeded"] * 3
    assert [handle.result for handle in handles] == ["succeeded"] * 3


def test_an_async_body_that_waits_in_a_thread_lends_its_place_too(live: Rota, node: Callable[..., Node]) -> None:
    live.job("child", retry=1)(lambda: 1)

    @live.job("parent", retry=1)
    async def parent() -> str:
        return (await asyncio.to_thread(live.enqueue("child").wait, "60s")).state

    handle = parent.enqueue()
    node(threads=1)

    assert (handle.wait("60s").state, handle.result) == ("succeeded", "succeeded")


def wait_for_a_run(live: Rota) -> object:
    return live.options(delay="1h").enqueue("never").wait()


def wait_for_a_lock(live: Rota) -> object:
    with live.lock("held", wait="1h"):
        return None


@pytest.mark.parametrize("wait", [wait_for_a_run, wait_for_a_lock])
def test_a_body_that_waits_ends_when_its_time_is_up(
    live: Rota, node: Callable[..., Node], wait: Callable[[Rota], object]
) -> None:
    live.job("never")(lambda: None)
    live.job("waits", retry=1, timeout=0.3)(lambda: wait(live))
    handle = live.enqueue("waits")

    with live.lock("held"):
        node(threads=1)
        assert handle.wait("60s").state == "failed"

    assert [each.outcome for each in live.runs.attempts(handle.id)] == ["timed_out"]


def enqueue_one_that_waits(live: Rota, wait: Callable[[Rota], object]) -> tuple[RunHandle, threading.Event]:
    """Its run, and what is set once its body has begun."""
    begun = threading.Event()
    live.job("never")(lambda: None)

    @live.job("waits", retry=1)
    def waits() -> None:
        begun.set()
        wait(live)

    return waits.enqueue(), begun


@pytest.mark.parametrize("wait", [wait_for_a_run, wait_for_a_lock])
def test_a_body_that_waits_ends_when_its_run_is_cancelled(
    live: Rota, node: Callable[..., Node], wait: Callable[[Rota], object]
) -> None:
    handle, begun = enqueue_one_that_waits(live, wait)
    with live.lock("held"):
        node(threads=1)
        assert begun.wait(60)
        live.runs.cancel(handle.id, by="anna")
        assert handle.wait("60s").state == "cancelled"


@pytest.mark.parametrize("wait", [wait_for_a_run, wait_for_a_lock])
def test_a_body_that_waits_is_handed_back_when_its_node_stops(
    live: Rota, node: Callable[..., Node], wait: Callable[[Rota], object]
) -> None:
    handle, begun = enqueue_one_that_waits(live, wait)
    with live.lock("held"):
        started = node(threads=1)
        assert begun.wait(60)
        started.stop(drain=0)

    assert handle.state == "available"
    assert [each.outcome for each in live.runs.attempts(handle.id)] == ["handed_back"]


@pytest.mark.parametrize("wait", [wait_for_a_run, wait_for_a_lock])
def test_a_wait_that_would_hold_up_the_loop_is_refused(app: Rota, wait: Callable[[Rota], object]) -> None:
    app.job("never")(lambda: None)
    errors: list[ConfigError] = []

    @app.job("waits", retry=1)
    async def waits() -> None:
        try:
            wait(app)
        except ConfigError as error:
            errors.append(error)

    waits.enqueue()
    with app.lock("held"):
        run_due(app)

    assert ["asyncio.to_thread(handle.wait)" in error.hint for error in errors] == [True]


def test_a_test_works_off_what_a_body_waits_for(app: Rota) -> None:
    app.job("child", retry=1)(lambda: 7)
    app.job("parent", retry=1)(lambda run: app.enqueue("child").wait("60s").state)
    handles = [app.enqueue("parent") for _ in range(6)]

    run_due(app)

    assert [handle.result for handle in handles] == ["succeeded"] * 6


def test_too_many_bodies_that_wait_are_told_so(
    app: Rota, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.executors.thread.MOST_LENT", 1)

    @app.job("waits", retry=1)
    def waits(run: Run) -> None:
        app.options(delay="1h").enqueue("waits").wait()

    first, second = waits.enqueue(), waits.enqueue()
    node = start(app)
    node.worker.tick()
    until(lambda: len(node.inflight) == 1)
    for attempt in node.inflight:
        app.runs.cancel(attempt.envelope.id, by="anna")
        node.duties[[duty.name for duty in node.duties].index("watcher")].tick()
    finish(node)

    assert sorted([first.state, second.state]) == ["cancelled", "failed"]
    refused = next(handle for handle in (first, second) if handle.state == "failed").record()
    assert "of this node wait for runs already" in (refused.error or "")
