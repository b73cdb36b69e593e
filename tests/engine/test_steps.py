"""What a step returned is kept: a body that begins again is given it, and does it no second time."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rota import Retry, Rota, Run, Snoozed
from rota.engine.node import Node
from rota.store import attempts as ledger
from rota.testing import ManualClock, run_due
from tests.engine.helpers import finish, kinds, work

Start = Callable[..., Node]


def test_a_body_that_begins_again_is_given_what_its_steps_returned(app: Rota, clock: ManualClock) -> None:
    done: list[str] = []
    kept: list[Any] = []

    @app.job("buy", retry=Retry(attempts=2, delays=[60]))
    def buy(run: Run) -> str:
        def charge(amount: int, *, currency: str) -> dict[str, Any]:
            done.append(f"charged {amount} {currency}")
            return {"id": "c-1", "parts": (1, 2)}

        kept.append(run.step("charge", charge, 20, currency="EUR"))
        if run.attempt == 1:
            raise ValueError("the post office is closed")
        run.wait_for("parcel")
        return run.step("mail", lambda: done.append("mailed") or "m-1")

    handle = app.enqueue("buy")
    run_due(app)
    clock.advance(minutes=1)
    run_due(app)
    app.signal(handle.id, "parcel")
    run_due(app)

    assert (handle.state, handle.result, handle.record().attempt) == ("succeeded", "m-1", 3)
    assert done == ["charged 20 EUR", "mailed"]
    assert kept == [{"id": "c-1", "parts": [1, 2]}] * 3  # the first time as well
    assert [(each.name, each.attempt) for each in app.runs.steps(handle.id)] == [("charge", 1), ("mail", 3)]


@pytest.mark.parametrize("value", [None, 0, "", [], {}, "é🦆", {"a": [1.5, None, True]}])
def test_whatever_json_holds_comes_back(app: Rota, value: Any) -> None:
    calls: list[int] = []

    @app.job("twice")
    def twice(run: Run) -> Any:
        kept = run.step("one", lambda: calls.append(1) or value)
        return Snoozed("1ms") if run.attempt == 1 else [kept]  # type: ignore[arg-type]

    handle = app.enqueue("twice")
    run_due(app)
    app.store._clock.advance(seconds=1)  # type: ignore[union-attr]
    run_due(app)

    assert (handle.result, len(calls)) == ([value], 1)


def test_a_step_that_raises_keeps_nothing_and_is_done_again(app: Rota, clock: ManualClock) -> None:
    calls: list[int] = []

    @app.job("flaky", retry=Retry(attempts=3, delays=[1]))
    def flaky(run: Run) -> int:
        def fetch() -> int:
            calls.append(run.attempt)
            if run.attempt < 3:
                raise ConnectionError("away")
            return 7

        return run.step("fetch", fetch)

    handle = app.enqueue("flaky")
    for _ in range(3):
        run_due(app)
        clock.advance(seconds=2)

    assert (handle.result, calls) == (7, [1, 2, 3])


def test_an_async_step_is_awaited_once(app: Rota) -> None:
    calls: list[str] = []

    async def fetch(place: str) -> str:
        calls.append(place)
        await asyncio.sleep(0)
        return f"from {place}"

    @app.job("fetch", retry=1)
    async def both(run: Run) -> list[str]:
        plain = run.step("plain", str, 7)
        found = await run.step("a", fetch, "a")
        partial = await run.step("b", functools.partial(fetch, "b"))
        run.wait_for("approval")
        together = await asyncio.gather(*(run.step(f"more:{n}", fetch, n) for n in "cd"))
        return [plain, found, partial, *together]

    handle = app.enqueue("fetch")
    run_due(app)
    assert (handle.state, calls) == ("waiting", ["a", "b"])
    app.runs.approve(handle.id, "anna")
    run_due(app)

    assert handle.result == ["7", "from a", "from b", "from c", "from d"]
    assert calls == ["a", "b", "c", "d"]


WRONG: dict[str, tuple[Callable[[Run], Any], str]] = {
    "the same name twice": (lambda run: (run.step("a", int), run.step("a", int)), "step 'a' was asked for twice"),
    "no name": (lambda run: run.step("", int), "run.step"),
    "a name that is none": (lambda run: run.step(7, int), "run.step"),  # type: ignore[call-overload]
    "no function": (lambda run: run.step("a", 7), "step 'a' was given no function"),  # type: ignore[call-overload]
    "something to await": (lambda run: run.step("a", lambda: asyncio.sleep(0)), "gave something to await"),
}


@pytest.mark.parametrize(("body", "told"), WRONG.values(), ids=WRONG)
def test_a_step_that_cannot_be_meant_says_what_is_wrong(lite: Rota, body: Callable[[Run], Any], told: str) -> None:
    lite.job("odd", retry=1)(lambda run: body(run))
    handle = lite.enqueue("odd")
    run_due(lite)

    assert handle.state == "failed"
    assert told in (handle.record().error or "")


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), "x" * 300_000])
def test_what_cannot_be_kept_is_told_and_the_step_is_not_done_again(app: Rota, clock: ManualClock, value: Any) -> None:
    calls: list[int] = []

    @app.job("odd", retry=Retry(attempts=2, delays=[1]))
    def odd(run: Run) -> None:
        run.step("charge", lambda: calls.append(1) or value)

    handle = app.enqueue("odd")
    run_due(app)
    clock.advance(seconds=2)
    run_due(app)

    record = handle.record()
    assert (record.state, calls) == ("failed", [1])
    assert "what step 'charge' returned" in (record.error or "")
    assert "the step is done all the same" in (record.error or "")
    [step] = app.runs.steps(handle.id)
    assert (step.result, bool(step.error)) == (None, True)
    app.runs.retry(handle.id, "anna", afresh=True)
    run_due(app)
    assert calls == [1, 1]


def test_sent_back_by_hand_its_steps_are_kept_unless_it_is_to_begin_afresh(app: Rota) -> None:
    calls: list[str] = []

    @app.job("job", retry=1)
    def job(run: Run) -> None:
        calls.append(f"from {run.checkpoint}")
        run.step("one", calls.append, "one")
        run.save_checkpoint(run.attempt)
        raise ValueError("no")

    handle = app.enqueue("job")
    run_due(app)
    app.runs.retry(handle.id, "anna")
    run_due(app)
    app.runs.retry(handle.id, "anna", afresh=True)
    run_due(app)

    assert calls == ["from None", "one", "from 1", "from None", "one"]
    assert [event.data for event in app.runs.events(handle.id) if event.kind == "run.retried_by_hand"] == [
        {},
        {"afresh": True},
    ]


def test_steps_of_two_runs_do_not_meet(app: Rota) -> None:
    app.job("job")(lambda run, n: run.step("same", lambda: n))
    handles = [app.enqueue("job", n=n) for n in range(3)]
    run_due(app)

    assert [handle.result for handle in handles] == [0, 1, 2]


def test_of_an_attempt_that_has_lost_its_run_no_step_is_kept(app: Rota, start: Start) -> None:
    begun, go = threading.Event(), threading.Event()
    told: list[str] = []

    @app.job("slow")
    def slow(run: Run) -> int:
        def wait() -> int:
            if run.attempt == 1:
                begun.set()
                go.wait(60)
            return run.attempt

        try:
            return run.step("wait", wait)
        except Exception as error:
            told.append(type(error).__name__)
            raise

    node, other = start(app), start(app)
    handle = app.enqueue("slow")
    node.worker.tick()
    assert begun.wait(60)
    with app.store.write() as tx:
        tx.run("nodes.lose", id=node.identity.id, now=app.store.now_us(), lease_until=2**62)
    next(each for each in other.duties if each.name == "rescuer").tick()
    work(other)
    go.set()
    finish(node)

    assert (handle.result, told) == (2, ["RunLostError"])
    assert [step.result for step in app.runs.steps(handle.id)] == ["2"]
    assert "run.refused" in kinds(app, handle.id)


def test_what_is_done_is_kept_though_the_body_was_told_to_stop_meanwhile(app: Rota, start: Start) -> None:
    begun, go = threading.Event(), threading.Event()

    @app.job("slow", retry=1)
    def slow(run: Run) -> None:
        def wait() -> str:
            begun.set()
            go.wait(60)
            return "done"

        run.step("wait", wait)
        run.step("never", int)

    node = start(app)
    handle = app.enqueue("slow")
    node.worker.tick()
    assert begun.wait(60)
    app.runs.cancel(handle.id, "anna")
    next(each for each in node.duties if each.name == "watcher").tick()
    go.set()
    finish(node)

    assert handle.state == "cancelled"
    assert [step.name for step in app.runs.steps(handle.id)] == ["wait"]


def test_it_is_on_record_before_it_returns(app: Rota) -> None:
    seen: list[list[str]] = []

    @app.job("job")
    def job(run: Run) -> None:
        run.step("one", int)
        seen.append([step.name for step in app.runs.steps(run.id)])

    app.enqueue("job")
    run_due(app)

    assert seen == [["one"]]
    with app.store.read() as tx:
        assert not ledger.under_way(tx, "")
