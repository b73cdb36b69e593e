"""An ``async def`` that keeps the event loop for itself is named: in the log, in ``status``, in ``why``."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from rota import Rota
from rota.app.run_handle import RunHandle
from rota.model.node import NodeSettings
from tests.engine.helpers import until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def app(ledger_url: str, gate: threading.Event) -> Iterator[Rota]:
    app = Rota(ledger_url)

    @app.job
    async def blocks() -> None:
        gate.wait(60)

    @app.job
    async def blocks_in_a_task() -> None:
        async def inner() -> None:
            await asyncio.sleep(0)
            gate.wait(60)

        await asyncio.gather(inner(), inner())

    @app.job
    async def waits() -> None:
        while not gate.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(0.01)

    @app.job("plain")
    def plain() -> None:
        gate.wait(60)

    yield app
    app.close()


def facts(app: Rota, handle: RunHandle) -> list[tuple[str, int | None]]:
    return [(fact.kind, fact.data.get("run")) for fact in app.why_run(handle.id).facts if fact.kind == "loop_blocked"]


@pytest.mark.parametrize("name", ["blocks", "blocks_in_a_task"])
def test_it_is_named_until_it_lets_go(
    app: Rota, gate: threading.Event, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with app.running(NodeSettings(threads=4, poll=0.1)):
        neighbour, plain = app.enqueue("waits"), app.enqueue("plain")
        until(lambda: (neighbour.state, plain.state) == ("running", "running"))
        blocker = app.enqueue(name)
        until(lambda: blocker.state == "running")
        begun = time.monotonic()

        until(lambda: any(reason.kind == "loop_blocked" for reason in app.status().reasons))

        assert time.monotonic() - begun < 8
        [reason] = [each for each in app.status().reasons if each.kind == "loop_blocked"]
        assert reason.data["run"] == blocker.id
        assert f"run {blocker.id} of {name} blocks the event loop" in reason.text
        assert "test_blocked_loop.py:" in reason.text
        assert facts(app, blocker) == facts(app, neighbour) == [("loop_blocked", blocker.id)]
        assert facts(app, plain) == []
        assert f"{name}, run {blocker.id}, blocks the event loop, at test_blocked_loop.py" in caplog.text
        gate.set()
        until(lambda: app.status().reasons == ())
        assert "let go of the event loop" in caplog.text
        assert {blocker.wait(60).state, neighbour.wait(60).state} == {"succeeded"}


def test_of_two_in_a_row_each_is_told_since_its_own_beginning(app: Rota, gate: threading.Event) -> None:
    first_gate = threading.Event()

    @app.job
    async def goes_first() -> None:
        first_gate.wait(60)

    def blockers() -> list[tuple[int, int]]:
        return [(each.data["run"], each.data["since"]) for each in app.status().reasons if each.kind == "loop_blocked"]

    with app.running(NodeSettings(threads=4, poll=0.1)):
        first = app.enqueue("goes_first")
        until(lambda: [run for run, _ in blockers()] == [first.id])
        second = app.enqueue("blocks")
        until(lambda: second.record().node is not None)
        let_go = app.store.now_us()
        first_gate.set()
        until(lambda: [run for run, _ in blockers()] == [second.id])
        assert blockers()[0][1] >= let_go
        gate.set()


def test_bodies_that_take_turns_block_nobody(app: Rota, gate: threading.Event) -> None:
    with app.running(NodeSettings(threads=64, poll=0.1)):
        handles = [app.enqueue("waits") for _ in range(50)]
        until(lambda: all(handle.state == "running" for handle in handles))
        begun = time.monotonic()
        until(lambda: time.monotonic() - begun > 1.5)
        assert app.status().reasons == ()
        gate.set()
