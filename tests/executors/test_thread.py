"""What only threads promise: order, their number, one loop for all that is awaited."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from rota.body.attempt import Attempt
from rota.body.place import lent
from rota.executors.thread import ThreadExecutor
from rota.model.attempt import Caps, End, Ended, Envelope
from rota.model.job import Job
from rota.testing import FakeHome, make_envelope
from tests.engine.helpers import until

_numbers = count(1)


class Bench:
    """An executor, and what came out of it."""

    def __init__(self, threads: int, trusted: Callable[[], bool] = lambda: True) -> None:
        self.ended: list[tuple[int, Ended]] = []
        self.executor = ThreadExecutor(threads, FakeHome(), lambda: 1, Caps(), self._end, trusted=trusted)

    def attempts(self, number: int, body: Callable[[], Any] = lambda: None) -> list[Attempt]:
        job = Job(name="job", function=body)
        return [self.executor.attempt(envelope(), job) for _ in range(number)]

    def _end(self, attempt: Any, ended: Ended) -> None:
        self.ended.append((attempt.envelope.id, ended))


def envelope() -> Envelope:
    return make_envelope(id=next(_numbers))


@pytest.fixture
def bench() -> Iterator[Callable[[int], Bench]]:
    opened: list[Bench] = []

    def open_(threads: int) -> Bench:
        opened.append(Bench(threads))
        return opened[-1]

    yield open_
    for each in opened:
        each.executor.stop()


Open = Callable[[int], Bench]


def test_attempts_begin_in_order_and_each_ends_once(bench: Open) -> None:
    one = bench(1)
    attempts = one.attempts(50)

    one.executor.submit(attempts)

    until(lambda: len(one.ended) == 50)
    assert [number for number, _ in one.ended] == [attempt.envelope.id for attempt in attempts]


def test_no_more_run_at_once_than_there_are_threads_and_the_rest_wait(bench: Open) -> None:
    go, inside, most = threading.Event(), [], []

    def body() -> None:
        inside.append(1)
        most.append(len(inside))
        go.wait(60)
        inside.pop()

    three = bench(3)
    three.executor.submit(three.attempts(8, body))
    until(lambda: len(inside) == 3)
    assert three.executor.waiting == 5
    go.set()

    until(lambda: len(three.ended) == 8)
    assert max(most) == 3


def test_what_has_waited_for_long_can_be_taken_back_alone(bench: Open) -> None:
    go, begun = threading.Event(), []

    def body() -> None:
        begun.append(1)
        go.wait(60)

    one = bench(1)
    attempts = one.attempts(4, body)
    one.executor.submit(attempts)
    until(lambda: begun)
    assert one.executor.take_back(waiting_longer_than=60) == []
    assert one.executor.waiting == 3

    assert one.executor.take_back() == attempts[1:]
    go.set()
    until(lambda: len(one.ended) == 1)
    one.executor.submit(one.attempts(1))
    until(lambda: len(one.ended) == 2)


@pytest.mark.parametrize("how", ["exit", "stop"])
def test_a_body_that_ends_the_loop_ends_it_for_no_other(bench: Open, how: str) -> None:
    async def leave() -> None:
        sys.exit(3)

    async def guilty() -> None:
        if how == "stop":
            asyncio.get_running_loop().stop()
        else:
            await asyncio.gather(leave(), asyncio.sleep(0.01))

    async def innocent() -> int:
        await asyncio.sleep(0.02)
        return 1

    one = bench(1)
    one.executor.submit(one.attempts(3, innocent))
    one.executor.submit(one.attempts(1, guilty))
    until(lambda: len(one.ended) == 4)
    one.executor.submit(one.attempts(3, innocent))
    until(lambda: len(one.ended) == 7)


def test_a_loop_that_answers_blocks_nobody_however_often_it_is_asked(bench: Open) -> None:
    go = threading.Event()

    async def wait() -> None:
        while not go.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(0)

    one = bench(1)
    one.executor.submit(one.attempts(2, wait))
    assert [one.executor.blocking() for _ in range(2_000)] == [None] * 2_000
    go.set()


def test_async_attempts_share_one_loop_and_do_not_wait_for_threads(bench: Open) -> None:
    gates: list[asyncio.Event] = []
    threads: set[str] = set()
    loops: set[asyncio.AbstractEventLoop] = set()
    go = threading.Event()

    async def wait() -> None:
        loops.add(asyncio.get_running_loop())
        gates.append(asyncio.Event())
        threads.add(threading.current_thread().name)
        await gates[-1].wait()

    one = bench(1)
    one.executor.submit(one.attempts(1, lambda: go.wait(60)))
    one.executor.submit(one.attempts(20, wait))
    until(lambda: len(gates) == 20)
    [loop] = loops
    for gate in gates:
        loop.call_soon_threadsafe(gate.set)

    until(lambda: len(one.ended) == 20)
    assert threads == {"rota-loop"}
    go.set()
    until(lambda: len(one.ended) == 21)


def test_stopping_ends_idle_threads_and_the_loop(bench: Open) -> None:
    async def nothing() -> None: ...

    before = set(threading.enumerate())
    three = bench(3)
    three.executor.submit([*three.attempts(3), *three.attempts(1, nothing)])
    until(lambda: len(three.ended) == 4)
    assert set(threading.enumerate()) - before

    three.executor.stop()

    until(lambda: not set(threading.enumerate()) - before)
    three.executor.stop()  # which twice is no mistake


def test_no_thread_is_started_before_it_is_needed(bench: Open) -> None:
    before = threading.active_count()

    sixteen = bench(16)

    assert threading.active_count() == before
    assert sixteen.executor.take_back() == []


def test_a_place_that_is_lent_is_one_thread_more_until_it_is_taken_again(bench: Open) -> None:
    back, go, inside, most = threading.Event(), threading.Event(), [], []

    def waits() -> None:
        with lent():
            back.wait(60)

    def body() -> None:
        inside.append(1)
        most.append(len(inside))
        go.wait(60)
        inside.pop()

    one = bench(1)
    one.executor.submit([*one.attempts(1, waits), *one.attempts(1, body)])
    until(lambda: one.executor.size == 2 and len(inside) == 1)
    back.set()
    until(lambda: len(one.ended) == 1)
    go.set()
    until(lambda: len(one.ended) == 2)
    assert one.executor.size == 1

    most.clear()
    one.executor.submit(one.attempts(5, body))
    until(lambda: len(one.ended) == 7)
    assert max(most) == 1
    until(lambda: one.executor._crew._started == 1)


def test_no_body_begins_on_a_node_whose_lease_is_about_to_lapse() -> None:
    begun: list[int] = []
    bench = Bench(2, trusted=lambda: False)

    async def awaited() -> None:
        begun.append(1)

    bench.executor.submit([*bench.attempts(3, lambda: begun.append(1)), *bench.attempts(2, awaited)])
    until(lambda: len(bench.ended) == 5)
    bench.executor.stop()

    assert begun == []
    assert {ended.end for _, ended in bench.ended} == {End.HANDED_BACK}
