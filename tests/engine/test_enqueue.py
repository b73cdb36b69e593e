"""Asking for runs: later, once per key, after the last call of a burst, many at once, in a batch with what follows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota import Failed, Retry, Rota, Run
from rota.engine.node import Node
from rota.errors import NotFoundError, PayloadError
from rota.testing import ManualClock, captured_events, run_due
from tests.engine.helpers import finish, work

Start = Callable[..., Node]
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


# --- later


def test_a_run_waits_for_its_moment(app: Rota, clock: ManualClock) -> None:
    done: list[str] = []
    app.job("say")(lambda word: done.append(word))
    app.options(delay="1h").enqueue("say", word="later")
    app.options(at=NOON + timedelta(minutes=30)).enqueue("say", word="at")
    app.options(at=NOON - timedelta(days=1)).enqueue("say", word="past")
    app.enqueue("say", word="now")

    run_due(app)
    assert done == ["past", "now"]
    clock.advance(minutes=29, seconds=59.999)
    run_due(app)
    assert done == ["past", "now"]
    clock.advance(seconds=0.001)
    run_due(app)
    assert done == ["past", "now", "at"]
    clock.advance(minutes=30)
    run_due(app)
    assert done == ["past", "now", "at", "later"]


# --- keys


def test_while_a_run_has_a_key_no_other_is_added(app: Rota, start: Start) -> None:
    begun, go = threading.Event(), threading.Event()

    @app.job(retry=Retry(attempts=2, delays=[0]))
    def slow(run: Run) -> Any:
        begun.set()
        go.wait(60)
        return Failed("once") if run.attempt == 1 else 1

    node = start(app)
    first = slow.options(key="k").enqueue()
    waiting = slow.options(key="k").enqueue()
    other = slow.options(key="other").enqueue()
    node.worker.tick()
    assert begun.wait(60)
    running = slow.options(key="k").enqueue()
    go.set()
    finish(node)
    retrying = slow.options(key="k").enqueue()
    run_due(app)
    after = slow.options(key="k").enqueue()

    assert [each.id == first.id for each in (waiting, running, retrying, after)] == [True, True, True, False]
    assert [each.new for each in (first, waiting, other, running, retrying, after)] == [
        True, False, True, False, False, True,
    ]  # fmt: skip


def test_a_key_belongs_to_its_job(app: Rota) -> None:
    app.job("one")(lambda: None)
    app.job("two")(lambda: None)

    for key in ("k", ""):
        assert app.options(key=key).enqueue("one").new
        assert app.options(key=key).enqueue("two").new


def test_of_many_threads_that_ask_at_once_one_makes_the_run(ledger_url: str) -> None:
    apps = [Rota(ledger_url) for _ in range(2)]
    for each in apps:
        each.job("job")(lambda: None)
    gate, found, failed = threading.Barrier(8), [], []

    def ask(app: Rota) -> None:
        gate.wait(60)
        try:
            for number in range(5):
                found.append((number, app.options(key=f"k{number}").enqueue("job")))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(apps[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    for number in range(5):
        handles = [handle for each, handle in found if each == number]
        assert len({handle.id for handle in handles}) == 1
        assert sum(handle.new for handle in handles) == 1
    for each in apps:
        each.close()


@pytest.mark.parametrize("key", ["", "quote ' % :x", "x" * 500])
def test_a_key_may_be_any_text(app: Rota, key: str) -> None:
    app.job("job", concurrency_key=lambda word: word)(lambda word: None)

    first, second = app.options(key=key).enqueue("job", word=key), app.options(key=key).enqueue("job", word=key)
    run_due(app)

    assert first.state == "succeeded"
    assert first.id == second.id


def test_a_key_that_no_index_can_hold_is_refused(app: Rota) -> None:
    app.job("job", concurrency_key=lambda word: word)(lambda word: None)

    with pytest.raises(PayloadError, match="key is 10,000 characters long"):
        app.options(key="x" * 10_000).enqueue("job", word="")
    with pytest.raises(PayloadError, match="concurrency_key is 10,000 characters long"):
        app.enqueue("job", word="x" * 10_000)


# --- debounce


def test_a_burst_becomes_one_run_so_long_after_its_last_call_with_its_arguments(app: Rota, clock: ManualClock) -> None:
    done: list[tuple[int, datetime]] = []
    app.job("index")(lambda n: done.append((n, clock.now())))

    for number in range(4):
        handle = app.options(key="k", debounce="10s").enqueue("index", n=number)
        clock.advance(seconds=6)
        run_due(app)
    assert done == []
    clock.advance(seconds=4)
    run_due(app)

    assert done == [(3, NOON + timedelta(seconds=28))]
    assert handle.state == "succeeded"
    assert len(app.runs.page()) == 1


def test_a_debounced_run_is_counted_under_the_key_of_its_newest_arguments(app: Rota) -> None:
    app.job("index", concurrency_key=lambda n: n)(lambda n: None)
    for number in range(2):
        handle = app.options(key="k", debounce="10s").enqueue("index", n=number)

    assert handle.record().limit_key == "job:index:1"


def test_a_call_while_the_debounced_run_runs_is_not_lost(app: Rota, start: Start, clock: ManualClock) -> None:
    begun, go, done = threading.Event(), threading.Event(), []

    @app.job
    def index(n: int) -> None:
        begun.set()
        go.wait(60)
        done.append(n)

    node = start(app)
    index.options(key="k", debounce=1).enqueue(n=1)
    clock.advance(seconds=2)
    next(duty for duty in node.duties if duty.name == "stager").tick()
    node.worker.tick()
    assert begun.wait(60)
    second = index.options(key="k", debounce=1).enqueue(n=2)
    third = index.options(key="k", debounce=1).enqueue(n=3)
    go.set()
    finish(node)
    clock.advance(seconds=2)
    run_due(app)

    assert (second.id, done) == (third.id, [1, 3])


def test_a_debounced_run_that_has_come_due_and_waits_for_a_worker_is_put_off_again(
    app: Rota, clock: ManualClock
) -> None:
    done: list[int] = []
    app.job("index")(lambda n: done.append(n))
    run_due(app)
    app.queues.pause("default", "anna")
    app.options(key="k", debounce=5).enqueue("index", n=1)
    clock.advance(seconds=6)
    run_due(app)
    assert [run.state for run in app.runs.page()] == ["available"]

    app.options(key="k", debounce=5).enqueue("index", n=2)
    app.queues.resume("default", "anna")
    run_due(app)
    assert done == []
    clock.advance(seconds=5)
    run_due(app)

    assert done == [2]


# --- many at once


def test_many_runs_are_made_all_or_none(app: Rota) -> None:
    app.job("add")(lambda n: None)

    ids = app.handles["add"].enqueue_many({"n": number} for number in range(2_500))
    with pytest.raises(PayloadError):
        app.handles["add"].enqueue_many([{"n": 1}, {"m": 2}])
    with pytest.raises(PayloadError):
        app.handles["add"].enqueue_many([{"n": 1}, {"n": object()}])

    assert ids == sorted(ids)
    assert len(set(ids)) == 2_500
    assert [app.runs.get(each).arguments for each in (ids[0], ids[-1])] == ['{"n":0}', '{"n":2499}']
    assert len(app.runs.page(limit=10_000)) == 2_500
    assert app.handles["add"].enqueue_many([]) == []


# --- batches


def test_when_all_children_are_over_what_follows_runs_once_with_their_counts(app: Rota, clock: ManualClock) -> None:
    told: list[dict[str, Any]] = []

    @app.job(retry=1)
    def child(n: int) -> Any:
        return Failed("odd") if n % 2 else n

    @app.job
    def parent(run: Run) -> int:
        return run.fan_out("child", [{"n": n} for n in range(5)], then=after, then_arguments={"word": "x"})

    @app.job
    def after(word: str, batch: dict[str, Any]) -> None:
        told.append({"word": word, **batch})

    handle = parent.enqueue()
    with captured_events(app, "batch.finished") as events:
        run_due(app)
        run_due(app)

    counts = {"id": handle.result, "total": 5, "succeeded": 3, "failed": 2, "cancelled": 0}
    assert told == [{"word": "x", **counts}]
    assert len(events) == 1
    assert {run.asked_by for run in app.runs.page(job="child")} == {f"run:{handle.id}"}


def test_items_are_given_in_chunks_where_a_size_is_asked_for(app: Rota) -> None:
    seen: list[list[int]] = []
    app.job("child")(lambda items: seen.append(items))
    app.job("parent")(lambda run: run.fan_out("child", range(7), size=3))

    app.enqueue("parent")
    run_due(app)

    assert sorted(seen) == [[0, 1, 2], [3, 4, 5], [6]]


def test_children_that_share_a_limit_are_put_in_line(app: Rota, start: Callable[..., Node]) -> None:
    app.job("child", concurrency=2)(lambda n: n)
    parent = app.job("parent")(lambda run: run.fan_out("child", [{"n": n} for n in range(30)]))
    node = start(app)
    parent.enqueue()

    work(node)

    [queue] = app.queues.all()
    assert (queue.waiting, queue.held) == (2, 28)
    run_due(app)
    assert app.runs.page(state="succeeded", limit=100)[0].job == "child"
    assert len(app.runs.page(state="succeeded", limit=100)) == 31


def test_an_empty_batch_is_over_at_once(app: Rota) -> None:
    told: list[int] = []
    app.job("child")(lambda: None)
    app.job("after")(lambda batch: told.append(batch["total"]))
    app.job("parent")(lambda run: run.fan_out("child", [], then="after"))

    app.enqueue("parent")
    run_due(app)

    assert told == [0]


def test_children_that_wait_or_are_retried_or_cancelled_are_counted_as_what_they_become(
    app: Rota, clock: ManualClock
) -> None:
    told: list[dict[str, Any]] = []
    app.job("child", retry=Retry(attempts=2, delays=[60]))(
        lambda run, n: Failed("first") if n == 1 and run.attempt == 1 else None
    )
    app.job("after")(lambda batch: told.append(batch))
    app.job("parent")(lambda run: run.fan_out("child", [{"n": n} for n in range(3)], then="after"))
    app.job("idle", queue="idle")(lambda: None)
    parent = app.options(queue="idle").enqueue("parent")
    run_due(app)
    assert told == []  # one waits to be tried again

    [waiting] = app.runs.page(job="child", state="scheduled")
    app.runs.cancel(waiting.id, "anna")
    run_due(app)

    assert [(each["succeeded"], each["failed"], each["cancelled"]) for each in told] == [(2, 0, 1)]
    app.runs.retry(waiting.id, "anna")
    run_due(app)
    batch = app.runs.batch(parent.result)
    assert (batch["succeeded"], batch["failed"], batch["cancelled"]) == (3, 0, 0)
    assert len(told) == 1  # what follows has run


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"job": "chlid", "items": []}, NotFoundError),
        ({"job": "child", "items": [{}], "then": "aftre"}, NotFoundError),
        ({"job": "child", "items": [{"m": 1}]}, PayloadError),
        ({"job": "child", "items": [{}], "then": "child"}, PayloadError),  # it takes no batch
        ({"job": "child", "items": [{}], "then": "after", "then_arguments": {"x": 1}}, PayloadError),
    ],
)
def test_a_batch_that_could_not_be_finished_is_refused_where_it_is_made(
    app: Rota, arguments: dict[str, Any], error: type[Exception]
) -> None:
    seen: list[BaseException] = []
    app.job("child")(lambda: None)
    app.job("after")(lambda batch: None)

    @app.job(retry=1)
    def parent(run: Run) -> None:
        try:
            run.fan_out(**arguments)
        except Exception as caught:
            seen.append(caught)

    parent.enqueue()
    run_due(app)

    assert [type(each) for each in seen] == [error]
    assert [run.job for run in app.runs.page()] == ["parent"]


def test_what_follows_a_batch_and_cannot_be_made_any_more_stops_no_other_batch(
    open_app: Callable[..., Rota], ledger_url: str
) -> None:
    before = open_app(ledger_url)
    before.job("child")(lambda: None)
    before.job("after")(lambda batch, word: None)
    before.job("parent")(lambda run: run.fan_out("child", [{}], then="after", then_arguments={"word": "x"}))
    node = before.node()
    before.prepare()
    node.identity.register()
    before.enqueue("parent")
    work(node)
    after = open_app(ledger_url)
    after.job("child")(lambda: None)
    told: list[int] = []
    after.job("after")(lambda batch, text: None)  # another argument, with the next deployment
    after.job("last")(lambda batch: told.append(batch["total"]))
    after.job("parent")(lambda run: run.fan_out("child", [{}], then="last"))
    after.enqueue("parent")
    with captured_events(after, "batch.finished") as events:
        run_due(after)

    assert told == [1]
    assert len(events) == 2
    assert any("takes no argument 'word'" in str(event.data.get("error")) for event in events)


# --- checkpoints


def test_a_run_goes_on_from_its_checkpoint_over_retries(app: Rota, clock: ManualClock) -> None:
    seen: list[Any] = []

    @app.job(retry=Retry(attempts=4, delays=[0]))
    def walk(run: Run) -> Any:
        seen.append(run.checkpoint)
        run.save_checkpoint({1: None, 2: {"page": 5}, 3: None}[run.attempt] if run.attempt < 4 else "end")
        seen.append(run.checkpoint)
        if run.attempt < 4:
            raise ValueError
        with pytest.raises(PayloadError):
            run.save_checkpoint(object())
        return run.checkpoint

    handle = walk.enqueue()
    run_due(app)

    assert seen == [None, None, None, {"page": 5}, {"page": 5}, None, None, "end"]
    assert handle.result == "end"


# --- listeners


def test_a_listener_that_raises_harms_neither_the_run_nor_other_listeners(app: Rota) -> None:
    heard: list[str] = []
    app.job("job")(lambda: None)
    app.job("bad", retry=1)(lambda: Failed("no"))

    @app.on("run.*")
    def raises(event: object) -> None:
        raise ValueError

    @app.on("run.*")
    def exits(event: object) -> None:
        raise SystemExit(1)

    app.on("run.*")(lambda event: heard.append(event.kind))
    handles = [app.enqueue("job"), app.enqueue("bad"), app.enqueue("job")]
    run_due(app)

    assert [handle.state for handle in handles] == ["succeeded", "failed", "succeeded"]
    assert sorted(heard) == ["run.failed", "run.succeeded", "run.succeeded"]
