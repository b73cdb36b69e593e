"""A body that waits for a signal gives its place up, and begins again when the signal has come, or its time is up."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from rota import Rota, RotaError, Run, Signal, every
from rota.clock import from_us
from rota.engine.node import Node
from rota.errors import ConfigError, ConflictError, NotFoundError, Parked, PayloadError
from rota.explain.events import about
from rota.model.event import Event
from rota.store import runs, signals
from rota.testing import ManualClock, captured_events, run_due
from tests.engine.helpers import attempts, finish, kinds, until, verdicts, work

Start = Callable[..., Node]


def tick(node: Node, *names: str) -> None:
    for name in names:
        next(each for each in node.duties if each.name == name).tick()


@pytest.fixture
def heard(app: Rota) -> list[Signal]:
    """What the body of ``ask`` was told, each time that it was told something."""
    heard: list[Signal] = []

    @app.job("ask", retry=1)
    def ask(run: Run, name: str = "approval", timeout: str | None = "2d") -> str:
        heard.append(run.wait_for(name, timeout, about="deletes 12,000 rows"))
        return "timed out" if heard[-1].timed_out else "approved" if heard[-1].approved else "refused"

    return heard


def test_the_attempt_ends_without_a_failure_and_all_is_told(
    app: Rota, clock: ManualClock, start: Start, heard: list[Signal]
) -> None:
    node = start(app)
    handle = app.enqueue("ask")
    with captured_events(app) as told:
        work(node)

    run = handle.record()
    assert (run.state, run.node, run.failures, run.crashes, run.finished_at) == ("waiting", None, 0, 0, None)
    assert (run.waits_for, run.waits_about) == ("approval", "deletes 12,000 rows")
    assert run.waits_until is not None
    assert from_us(run.waits_until) == clock.now() + timedelta(days=2)
    assert attempts(app, run.id) == [(1, "waiting")]
    assert heard == []
    [event] = told
    assert (event.kind, event.data["signal"], event.data["about"]) == ("run.waiting", "approval", run.waits_about)
    assert about(event).text == "ask waits for the signal approval: deletes 12,000 rows"
    assert app.counters.figures().failed == 0
    assert [run.id for run in app.runs.page(state="waiting")] == [handle.id]
    assert app.status().signals_awaited == 1


@pytest.mark.parametrize(("say", "result"), [("approve", '"approved"'), ("refuse", '"refused"')])
def test_what_a_person_says_is_returned_at_once_when_the_body_begins_again(
    app: Rota, clock: ManualClock, heard: list[Signal], say: str, result: str
) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    clock.advance(hours=3)
    with captured_events(app, "run.signalled") as told:
        assert getattr(app.runs, say)(handle.id, "anna", "looked at it") == "available"
    run_due(app)

    run = handle.record()
    assert (run.state, run.result, run.attempt, run.failures) == ("succeeded", result, 2, 0)
    assert (run.waits_for, run.resumed_at) == (None, app.store.now_us())
    assert heard == [
        Signal("approval", {"approved": say == "approve"}, "anna", "looked at it", at=clock.now(), timed_out=False)
    ]
    [event] = told
    assert (event.actor, event.data["why"], event.data["resumed"]) == ("anna", "looked at it", True)
    assert kinds(app, run.id) == ["run.waiting", "run.signalled"]
    assert app.status().signals_awaited == 0


def test_a_signal_that_comes_first_is_kept_and_no_attempt_is_spent_on_it(app: Rota, heard: list[Signal]) -> None:
    handle = app.options(delay="1h").enqueue("ask", name="payment")
    assert app.signal(handle.id, "payment", {"amount": 20}, by="shop") == "scheduled"
    app.store.tell([])
    other = app.enqueue("ask", name="payment")
    assert app.signal(other.id, "payment") == "available"
    run_due(app)

    assert [(signal.data, signal.by, signal.approved) for signal in heard] == [(None, None, False)]
    assert (other.state, attempts(app, other.id)) == ("succeeded", [(1, "succeeded")])
    assert handle.state == "scheduled"


def test_one_that_comes_while_the_attempt_ends_is_not_missed(app: Rota, start: Start, heard: list[Signal]) -> None:
    node = start(app)
    handle = app.enqueue("ask")
    node.worker.tick()
    until(lambda: not len(node.inflight))  # the body has parked, and nobody has written it down
    assert app.runs.approve(handle.id, "anna") == "running"
    finish(node)

    assert handle.state == "available"
    work(node)
    assert (handle.state, handle.result) == ("succeeded", "approved")


def test_after_its_time_the_wait_returns_a_value_that_says_so(
    app: Rota, clock: ManualClock, heard: list[Signal]
) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    asked_at = clock.now()
    clock.advance(hours=47, minutes=59)
    assert run_due(app) == []

    clock.advance(hours=1)
    with captured_events(app, "run.wait_timed_out") as told:
        run_due(app)

    assert (handle.state, handle.result) == ("succeeded", "timed out")
    assert heard == [Signal("approval", at=asked_at + timedelta(days=2), timed_out=True)]
    assert [about(event).text for event in told] == [
        "ask goes on without the signal approval, which nobody gave it in time"
    ]
    assert kinds(app, handle.id) == ["run.waiting", "run.wait_timed_out"]


def test_without_a_time_it_waits_for_ever(app: Rota, clock: ManualClock, heard: list[Signal]) -> None:
    handle = app.enqueue("ask", timeout=None)
    run_due(app)
    clock.advance(days=3650)

    assert run_due(app) == []
    assert (handle.state, handle.record().waits_until) == ("waiting", None)
    app.signal(handle.id, "approval")
    assert [run.state for run in run_due(app)] == ["succeeded"]


def test_of_a_signal_and_the_end_of_the_time_the_first_one_counts_however_often_it_is_asked(
    app: Rota, clock: ManualClock, start: Start
) -> None:
    told: list[bool] = []

    @app.job("again", retry=3)
    def again(run: Run) -> None:
        told.append(run.wait_for("approval", "1h").timed_out)
        if run.attempt < 4:
            raise ValueError("once more")

    late, good = app.enqueue("again"), app.enqueue("again")
    run_due(app)
    clock.advance(hours=1)
    app.runs.approve(good.id, "anna")  # at its last moment, before any stager has come
    for _ in range(4):
        run_due(app)
        clock.advance(hours=1)
    with pytest.raises(ConflictError, match="is succeeded already"):
        app.runs.approve(late.id, "anna")

    assert sorted(told) == [False] * 3 + [True] * 3
    assert [each.timed_out_at is None for run in (good, late) for each in app.runs.signals(run.id)] == [True, False]


def test_one_that_comes_too_late_is_refused_while_the_run_goes_on(
    app: Rota, clock: ManualClock, start: Start, heard: list[Signal]
) -> None:
    node = start(app)
    handle = app.enqueue("ask")
    work(node)
    clock.advance(days=2)
    tick(node, "stager")
    assert handle.state == "available"

    with pytest.raises(ConflictError, match="its time was up"):
        app.runs.approve(handle.id, "anna")
    work(node)
    assert handle.result == "timed out"


def test_a_second_signal_of_a_name_is_refused_and_the_first_one_stays(app: Rota, heard: list[Signal]) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    app.runs.refuse(handle.id, "anna", "too many")
    with pytest.raises(ConflictError, match="has its signal 'approval' already, from anna") as refused:
        app.runs.approve(handle.id, "bert")

    assert "another name" in refused.value.hint
    run_due(app)
    assert handle.result == "refused"
    assert kinds(app, handle.id) == ["run.waiting", "run.signalled"]


def test_of_many_that_come_at_one_moment_one_is_taken(app: Rota, heard: list[Signal]) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    taken: list[str] = []
    refused: list[str] = []
    ready = threading.Barrier(8)

    def give(name: str) -> None:
        ready.wait(60)
        try:
            app.runs.approve(handle.id, name)
            taken.append(name)
        except ConflictError:
            refused.append(name)

    threads = [threading.Thread(target=give, args=(f"person-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert (len(taken), len(refused)) == (1, 7)
    run_due(app)
    assert [signal.by for signal in heard] == taken


def test_a_run_that_is_over_or_was_never_made_takes_none(app: Rota, heard: list[Signal]) -> None:
    handle = app.enqueue("ask")
    app.runs.cancel(handle.id, "anna")

    with pytest.raises(ConflictError, match="is cancelled already, and waits for nothing") as over:
        app.signal(handle.id, "approval")
    with pytest.raises(NotFoundError, match="there is no run 4711"):
        app.signal(4711, "approval")
    assert over.value.exit_code == 5
    assert app.runs.signals(handle.id) == []


def test_what_a_signal_may_not_be_is_refused_where_it_is_given(app: Rota, heard: list[Signal]) -> None:
    handle = app.enqueue("ask")

    for name, data, error in (
        ("approval", {1, 2}, PayloadError),
        ("approval", "x" * 70_000, PayloadError),
        ("", None, ConfigError),
        (7, None, ConfigError),
        ("x" * 1_000, None, ConfigError),
    ):
        with pytest.raises(error):
            app.signal(handle.id, name, data)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        app.runs.approve(handle.id, "")
    assert app.runs.signals(handle.id) == []


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"timeout": "soon"}, {"name": ""}, {"about": 7}])
def test_a_wait_that_cannot_be_meant_is_a_failure_and_says_what_is_wrong(app: Rota, wrong: dict[str, Any]) -> None:
    app.job("odd", retry=1)(lambda run: run.wait_for(**{"name": "approval", **wrong}))
    handle = app.enqueue("odd")
    run_due(app)

    assert handle.state == "failed"
    assert "rota.run.wait_for" in (handle.record().error or "")


def test_what_people_are_told_of_it_is_cut(app: Rota) -> None:
    app.job("long")(lambda run: run.wait_for("approval", about="first" + "x" * 10_000 + "last"))
    handle = app.enqueue("long")
    run_due(app)

    told = handle.record().waits_about or ""
    assert 900 < len(told) < 1_100
    assert told.startswith("first")
    assert told.endswith("last")


# --- the body


def test_several_waits_come_one_after_the_other_and_the_same_one_is_answered_again(app: Rota) -> None:
    told: list[str] = []

    @app.job("two steps")
    def two(run: Run) -> list[Any]:
        first = run.wait_for("one", "1h")
        told.append("one")
        again = run.wait_for("one")
        second = run.wait_for("two", "1h")
        return [first.data, again.data, second.data]

    handle = app.enqueue("two steps")
    run_due(app)
    app.signal(handle.id, "one", 1)
    run_due(app)
    assert (handle.state, handle.record().waits_for) == ("waiting", "two")
    app.signal(handle.id, "two", 2)
    run_due(app)

    assert (handle.result, told) == ([1, 1, 2], ["one", "one"])
    assert attempts(app, handle.id) == [(1, "waiting"), (2, "waiting"), (3, "succeeded")]


@pytest.mark.parametrize("swallow", [Exception, BaseException])
def test_a_body_that_catches_what_it_can_waits_all_the_same(app: Rota, swallow: type[BaseException]) -> None:
    seen: list[str] = []

    @app.job("greedy", retry=1)
    def greedy(run: Run) -> str:
        try:
            return f"approved: {run.wait_for('approval').approved}"
        except swallow as error:
            seen.append(type(error).__name__)
        finally:
            seen.append("cleaned up")
        return "not waited"

    handle = app.enqueue("greedy")
    run_due(app)

    assert handle.state == "waiting"
    assert seen == (["cleaned up"] if swallow is Exception else ["Parked", "cleaned up"])
    app.runs.approve(handle.id, "anna")
    run_due(app)
    assert handle.result == "approved: True"


def test_nothing_more_is_done_by_a_body_that_catches_its_end(app: Rota) -> None:
    done: list[str] = []

    @app.job("stubborn", retry=1)
    def stubborn(run: Run) -> None:
        with suppress(BaseException):
            run.wait_for("approval")
        with suppress(BaseException):
            run.step("charge", done.append, "charged")
        assert run.cancelled

    handle = app.enqueue("stubborn")
    run_due(app)

    assert (handle.state, done, handle.record().failures) == ("waiting", [], 0)


def test_a_clean_up_that_fails_is_a_failure(app: Rota) -> None:
    @app.job("untidy", retry=1)
    def untidy(run: Run) -> None:
        try:
            run.wait_for("approval")
        finally:
            raise ValueError("the door is stuck")

    handle = app.enqueue("untidy")
    run_due(app)

    assert (handle.state, handle.record().error) == ("failed", "ValueError: the door is stuck")


def test_an_async_body_waits_and_so_does_one_that_waits_in_a_group_of_tasks(app: Rota) -> None:
    @app.job("alone", retry=1)
    async def alone(run: Run) -> Any:
        await asyncio.sleep(0)
        return run.wait_for("approval").approved

    @app.job("grouped", retry=1)
    async def grouped(run: Run) -> list[Any]:
        async def ask() -> Any:
            return run.wait_for("approval").approved

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask()) for _ in range(2)]
        return [task.result() for task in tasks]

    handles = [app.enqueue(job) for job in ("alone", "grouped")]
    run_due(app)
    assert [handle.state for handle in handles] == ["waiting"] * 2
    for handle in handles:
        app.runs.approve(handle.id, "anna")
    run_due(app)

    assert [handle.result for handle in handles] == [True, [True, True]]


def test_it_passes_through_a_context_and_is_told_as_what_it_is() -> None:
    assert not issubclass(Parked, Exception)
    assert str(Parked("approval")) == "it waits for the signal approval"


# --- the ledger


def test_one_thread_does_other_work_meanwhile(app: Rota, start: Start, heard: list[Signal]) -> None:
    app.job("other")(lambda: "done")
    node = start(app, threads=1)
    waits = [app.enqueue("ask") for _ in range(3)]
    other = app.enqueue("other")
    for _ in range(4):
        work(node)

    assert [handle.state for handle in (*waits, other)] == ["waiting"] * 3 + ["succeeded"]
    assert node.inflight.idle


def test_cancelled_while_it_waits_it_is_over_at_once_and_begins_no_more(
    app: Rota, clock: ManualClock, heard: list[Signal]
) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    assert app.runs.cancel(handle.id, "anna") == "cancelled"

    clock.advance(days=3)
    assert run_due(app) == []
    assert (handle.state, handle.record().waits_for, heard) == ("cancelled", None, [])


def test_asked_to_stop_while_its_attempt_ended_it_does_not_wait(app: Rota, start: Start, heard: list[Signal]) -> None:
    node = start(app)
    handle = app.enqueue("ask")
    node.worker.tick()
    until(lambda: not len(node.inflight))
    assert app.runs.cancel(handle.id, "anna") == "running"
    finish(node)

    assert (handle.state, handle.record().waits_for) == ("cancelled", None)
    assert kinds(app, handle.id) == ["run.cancel_requested", "run.cancelled"]


def test_sent_back_by_hand_it_has_its_answers_and_is_asked_anew_what_nobody_answered(
    app: Rota, clock: ManualClock
) -> None:
    told: list[tuple[bool, bool]] = []

    @app.job("both", retry=1)
    def both(run: Run) -> None:
        first, second = run.wait_for("first", "1h"), run.wait_for("second", "1h")
        told.append((first.approved, second.timed_out))
        raise ValueError("not good enough")

    handle = app.enqueue("both")
    run_due(app)
    app.runs.approve(handle.id, "anna", signal="first")
    run_due(app)
    clock.advance(hours=1)
    run_due(app)
    assert (handle.state, told) == ("failed", [(True, True)])

    app.runs.retry(handle.id, "anna")
    run_due(app)
    assert (handle.state, handle.record().waits_for) == ("waiting", "second")
    app.runs.cancel(handle.id, "anna")
    app.runs.retry(handle.id, "anna", afresh=True)
    run_due(app)
    assert (handle.state, handle.record().waits_for) == ("waiting", "first")


def test_it_neither_expires_nor_is_pruned_or_rescued(app: Rota, clock: ManualClock, start: Start) -> None:
    app.job("ask", start_within="1h")(lambda run: run.wait_for("approval").approved)
    node, other = start(app), start(app)
    handle = app.enqueue("ask")
    work(node)
    clock.advance(days=400)
    tick(other, "stager", "pruner")
    with app.store.write() as tx:
        tx.run("nodes.lose", id=node.identity.id, now=app.store.now_us(), lease_until=2**62)
    tick(other, "rescuer")

    assert (handle.state, handle.record().crashes, handle.record().expires_at) == ("waiting", 0, None)
    app.runs.approve(handle.id, "anna")
    work(other)
    assert handle.result is True


def test_what_was_kept_for_a_run_is_forgotten_with_it(app: Rota, clock: ManualClock, start: Start) -> None:
    @app.job("ask")
    def ask(run: Run) -> None:
        run.step("one", int)
        run.wait_for("approval")

    node = start(app)
    handle, stays = app.enqueue("ask"), app.enqueue("ask")
    for each in (handle, stays):
        app.runs.approve(each.id, "anna")
    work(node)
    app.options(delay="800d").enqueue("ask")
    clock.advance(days=400)
    tick(node, "pruner")

    with pytest.raises(NotFoundError):
        handle.record()
    assert (app.runs.signals(handle.id), app.runs.steps(handle.id)) == ([], [])


def test_a_lost_attempt_may_not_park_the_run_of_another(app: Rota, start: Start) -> None:
    go = threading.Event()

    @app.job("slow")
    def slow(run: Run) -> None:
        if run.attempt == 1:
            go.wait(60)
            run.wait_for("approval")

    node, other = start(app), start(app)
    handle = app.enqueue("slow")
    node.worker.tick()
    with app.store.write() as tx:
        tx.run("nodes.lose", id=node.identity.id, now=app.store.now_us(), lease_until=2**62)
    tick(other, "rescuer")
    work(other)
    go.set()
    finish(node)

    assert (handle.state, handle.record().waits_for) == ("succeeded", None)
    assert "run.refused" in kinds(app, handle.id)


def test_a_child_that_waits_leaves_its_batch_open(app: Rota) -> None:
    app.job("child")(lambda run: run.wait_for("approval"))
    app.job("parent")(lambda run: run.fan_out("child", [{}, {}], then="after"))
    app.job("after")(lambda batch: batch["succeeded"])
    parent = app.enqueue("parent")
    run_due(app)
    children = app.runs.page(job="child")
    app.signal(children[0].id, "approval")
    run_due(app)
    assert app.runs.batch(parent.result)["finished_at"] is None

    app.signal(children[1].id, "approval")
    run_due(app)
    assert [run.result for run in app.runs.page(job="after")] == ["2"]


def test_its_lateness_begins_anew_with_the_signal(app: Rota, clock: ManualClock, heard: list[Signal]) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    clock.advance(hours=40)
    app.runs.approve(handle.id, "anna")
    clock.advance(seconds=3)
    run_due(app)

    late = app.counters.figures(60 * 50).late_p95
    assert late is not None
    assert late < 10
    assert handle.record().due_at == handle.record().created_at


# --- limits and overlap


def test_its_place_under_a_limit_is_free_while_it_waits_and_taken_again_when_it_goes_on(
    app: Rota, start: Start
) -> None:
    @app.job("limited", concurrency=1)
    def limited(run: Run, waits: bool) -> None:
        if waits:
            run.wait_for("approval")

    node = start(app)
    first, second, third = (app.enqueue("limited", waits=waits) for waits in (True, False, False))
    work(node)
    work(node)
    assert [each.state for each in (first, second, third)] == ["waiting", "succeeded", "available"]

    work(node)
    app.runs.approve(first.id, "anna")
    work(node)
    assert [each.state for each in (first, second, third)] == ["succeeded"] * 3


def test_going_on_it_stands_in_line_for_its_limit(app: Rota, start: Start) -> None:
    gate = threading.Event()

    @app.job("limited", concurrency=1)
    def limited(run: Run, waits: bool) -> None:
        if waits:
            run.wait_for("approval")
        else:
            gate.wait(60)

    node = start(app)
    first = app.enqueue("limited", waits=True)
    work(node)
    busy = app.enqueue("limited", waits=False)
    node.worker.tick()
    until(lambda: busy.state == "running")
    app.runs.approve(first.id, "anna")
    node.worker.tick()

    assert (first.state, first.record().held_by) == ("available", "concurrency job:limited")
    gate.set()
    finish(node)
    work(node)
    assert (first.state, busy.state) == ("succeeded", "succeeded")


@pytest.mark.parametrize(
    ("overlap", "verdict", "states"),
    [
        ("skip", ["fired", "skipped", "skipped"], ["waiting"]),
        ("queue_one", ["fired", "skipped", "skipped"], ["waiting"]),
        ("queue_all", ["fired", "fired", "fired"], ["waiting", "available", "available"]),
        ("allow", ["fired", "fired", "fired"], ["waiting", "waiting", "waiting"]),
        ("cancel_running", ["fired", "fired", "fired"], ["cancelled", "cancelled", "waiting"]),
    ],
)
def test_what_must_not_overlap_does_not_begin_beside_one_that_waits(
    app: Rota, clock: ManualClock, start: Start, overlap: Any, verdict: list[str], states: list[str]
) -> None:
    begun: list[int] = []

    @app.job("clean", schedule=every("1h"), overlap=overlap)
    def clean(run: Run) -> None:
        begun.append(run.id)
        run.wait_for("approval")

    node = start(app)
    for _ in range(3):
        clock.advance(hours=1)
        tick(node, "scheduler")
        work(node)

    assert [each for _, each in verdicts(app, "clean")] == verdict
    made = app.runs.page(job="clean")[::-1]
    assert [run.state for run in made] == states
    if overlap == "queue_all":
        why = app.why_run(made[1].id).summary
        assert f"; taken by run {made[0].id}, which waits for a signal" in why
        app.runs.approve(made[0].id, "anna")
        work(node)
        assert [run.state for run in app.runs.page(job="clean")[::-1]] == ["succeeded", "available", "available"]
        work(node)
        assert [run.state for run in app.runs.page(job="clean")[::-1]] == ["succeeded", "waiting", "available"]
    if overlap == "skip":
        reasons = {fire.reason for fire in app.schedules.fires("clean") if fire.verdict == "skipped"}
        assert reasons == {"overlap: an earlier run waits for a signal"}


@pytest.mark.parametrize(("policies", "state"), [({}, "available"), ({"overlap": "allow"}, "succeeded")])
def test_a_run_by_hand_begins_beside_it_only_where_runs_of_its_job_may_overlap(
    app: Rota, clock: ManualClock, start: Start, policies: Any, state: str
) -> None:
    app.job("clean", schedule=every("1h"), concurrency=1, **policies)(
        lambda run: run.wait_for("approval") if run.schedule else "by hand"
    )
    node = start(app)
    clock.advance(hours=1)
    tick(node, "scheduler")
    work(node)
    by_hand = app.enqueue("clean")
    work(node)
    [waits] = app.runs.page(state="waiting")
    assert by_hand.state == state

    app.runs.cancel(waits.id, "anna")
    work(node)
    assert by_hand.state == "succeeded"


@pytest.mark.parametrize("policies", [{}, {"concurrency": 2}])
def test_a_schedule_that_was_added_keeps_its_place_where_its_runs_are_counted_by_it(
    app: Rota, clock: ManualClock, start: Start, heard: list[Signal], policies: Any
) -> None:
    app.job("plain", **policies)(lambda run: run.wait_for("approval"))
    node = start(app)
    app.schedules.add("hourly", "plain", every("1h"), by="anna", overlap="queue_all")
    for _ in range(2):
        clock.advance(hours=1)
        tick(node, "scheduler")
        work(node)

    assert [run.state for run in app.runs.page()] == ["waiting" if policies else "available", "waiting"]


def test_it_holds_its_key(app: Rota, heard: list[Signal]) -> None:
    first = app.options(key="k").enqueue("ask")
    run_due(app)

    assert app.options(key="k").enqueue("ask").id == first.id
    assert app.options(key=lambda: "k").enqueue_many("ask", [{}]) == [first.id]
    app.runs.approve(first.id, "anna")
    run_due(app)
    assert app.options(key="k").enqueue("ask").new


def test_it_goes_on_no_sooner_than_its_schedule_where_that_is_paused(
    app: Rota, clock: ManualClock, start: Start
) -> None:
    app.job("clean", schedule=every("1h"))(lambda run: run.wait_for("approval").approved)
    node = start(app)
    clock.advance(hours=1)
    tick(node, "scheduler")
    work(node)
    [run] = app.runs.page(state="waiting")
    app.schedules.pause("clean", by="anna")
    app.runs.approve(run.id, "anna")
    work(node)
    assert (app.runs.get(run.id).state, app.runs.get(run.id).held_by) == ("available", "paused")
    assert "its schedule clean was paused" in app.why_run(run.id).summary

    app.schedules.resume("clean", by="anna")
    work(node)
    assert app.runs.get(run.id).state == "succeeded"


def test_with_its_schedule_it_is_given_up(app: Rota, clock: ManualClock, start: Start, heard: list[Signal]) -> None:
    node = start(app)
    app.schedules.add("hourly", "ask", every("1h"), by="anna")
    clock.advance(hours=1)
    tick(node, "scheduler")
    work(node)
    [run] = app.runs.page(state="waiting")
    app.schedules.remove("hourly", by="anna")

    assert app.runs.get(run.id).state == "cancelled"


# --- in the caller's own transaction


def connect(app: Rota) -> Any:
    url = app.settings.database.url
    if url.startswith("sqlite"):
        return closing(sqlite3.connect(url.removeprefix("sqlite:///").partition("?")[0], timeout=30))
    return closing(psycopg.connect(url))


@pytest.mark.parametrize("commit", [True, False])
def test_a_signal_is_part_of_the_callers_transaction(app: Rota, heard: list[Signal], commit: bool) -> None:
    handle = app.enqueue("ask")
    run_due(app)
    with connect(app) as connection:
        assert app.signal(handle.id, "approval", {"approved": True}, by="anna", connection=connection) == "available"
        if commit:
            connection.commit()
        else:
            connection.rollback()
    run_due(app)

    assert handle.state == ("succeeded" if commit else "waiting")
    assert kinds(app, handle.id) == ["run.waiting", *(["run.signalled"] if commit else [])]


def test_one_that_was_told_in_a_transaction_that_did_not_see_the_wait_is_found_later(
    app: Rota, clock: ManualClock, start: Start, heard: list[Signal]
) -> None:
    node = start(app)
    handle = app.enqueue("ask")
    node.worker.tick()
    until(lambda: not len(node.inflight))
    if app.store.database.dialect.name == "sqlite":  # one writer: there it cannot happen, so it is made to
        finish(node)
        with app.store.write() as tx:
            record = signals.SignalRecord(run_id=handle.id, name="approval", at=1, timed_out_at=None, actor=None,
                                          why=None, data=None)  # fmt: skip
            signals.add(tx, [record])
    else:
        with connect(app) as connection:
            app.signal(handle.id, "approval", connection=connection)
            finish(node)  # and does not wait for the caller to commit
            connection.commit()
    assert handle.state == "waiting"

    clock.advance(seconds=10)
    tick(node, "stager")
    assert handle.state == "available"


def test_listeners_hear_of_it_after_the_commit(app: Rota, heard: list[Signal]) -> None:
    seen: list[Event] = []
    app.listeners.add("run.signalled", seen.append)
    handle = app.enqueue("ask")
    with pytest.raises(RotaError):
        app.signal(handle.id, "approval", {1})
    assert seen == []

    app.signal(handle.id, "approval", [1])
    assert [(event.run_id, event.data["data"], event.data["resumed"]) for event in seen] == [(handle.id, [1], False)]


def test_whoever_waits_for_the_run_goes_on_waiting(app: Rota, heard: list[Signal]) -> None:
    handle = app.enqueue("ask")
    run_due(app)

    with pytest.raises(RotaError, match="still waiting"):
        handle.wait("10ms")
    with app.store.read() as tx:
        assert runs.count_waiting(tx) == 1
