from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rota.executors.local import LocalExecutor
from tests.engine.helpers import until


class Work:
    """An attempt as the executor sees it."""

    def __init__(self, number: int, body: Callable[[], Any] = lambda: None, is_async: bool = False) -> None:
        self.number = number
        self.is_async = is_async
        self._body = body
        self.thread = ""

    def perform(self) -> None:
        self.thread = threading.current_thread().name
        self._body()

    async def perform_async(self) -> None:
        self.thread = threading.current_thread().name
        await self._body()


@pytest.fixture
def ended() -> list[Work]:
    return []


@pytest.fixture
def open_executor(ended: list[Work]) -> Iterator[Callable[..., LocalExecutor[Work]]]:
    opened: list[LocalExecutor[Work]] = []

    def open_(threads: int) -> LocalExecutor[Work]:
        opened.append(LocalExecutor(threads, ended.append))
        return opened[-1]

    yield open_
    for each in opened:
        each.stop()


Open = Callable[..., LocalExecutor[Work]]


def test_attempts_begin_in_order_and_each_is_told_to_have_ended(open_executor: Open, ended: list[Work]) -> None:
    begun: list[int] = []
    works = [Work(number, lambda number=number: begun.append(number)) for number in range(50)]

    open_executor(1).submit(works)

    until(lambda: len(ended) == 50)
    assert begun == list(range(50))
    assert [work.number for work in ended] == begun


def test_no_more_run_at_once_than_there_are_threads_and_the_rest_wait(open_executor: Open, ended: list[Work]) -> None:
    go, inside, most = threading.Event(), [], []

    def body() -> None:
        inside.append(1)
        most.append(len(inside))
        go.wait(10)
        inside.pop()

    executor = open_executor(3)
    executor.submit([Work(number, body) for number in range(8)])
    until(lambda: len(inside) == 3)
    assert executor.waiting == 5
    go.set()

    until(lambda: len(ended) == 8)
    assert max(most) == 3


def test_what_has_not_begun_can_be_taken_back_and_is_not_done(open_executor: Open, ended: list[Work]) -> None:
    go, begun = threading.Event(), []

    def body() -> None:
        begun.append(1)
        go.wait(10)

    executor = open_executor(1)
    executor.submit([Work(number, body) for number in range(4)])
    until(lambda: begun)
    assert executor.take_back(waiting_longer_than=60) == []
    assert executor.waiting == 3

    taken = executor.take_back()
    go.set()

    assert [work.number for work in taken] == [1, 2, 3]
    until(lambda: len(ended) == 1)
    assert executor.take_back() == []
    executor.submit([Work(9)])
    until(lambda: len(ended) == 2)


def test_async_attempts_share_one_loop_and_do_not_wait_for_threads(open_executor: Open, ended: list[Work]) -> None:
    gate: list[asyncio.Event] = []
    go = threading.Event()

    async def wait() -> None:
        gate.append(asyncio.Event())
        await gate[-1].wait()

    executor = open_executor(1)
    executor.submit([Work(0, lambda: go.wait(10))])
    works = [Work(number, wait, is_async=True) for number in range(1, 21)]
    executor.submit(works)  # type: ignore[arg-type]
    until(lambda: len(gate) == 20)
    assert executor._loop is not None
    for each in gate:
        executor._loop.call_soon_threadsafe(each.set)

    until(lambda: len(ended) == 20)
    assert {work.thread for work in works} == {"rota-loop"}
    go.set()
    until(lambda: len(ended) == 21)


def test_stopping_ends_idle_threads_and_the_loop(open_executor: Open, ended: list[Work]) -> None:
    async def nothing() -> None: ...

    executor = open_executor(3)
    executor.submit([*(Work(number) for number in range(3)), Work(3, nothing, is_async=True)])
    until(lambda: len(ended) == 4)
    threads = [*executor._threads, executor._loop_thread]

    executor.stop()

    until(lambda: not any(thread is not None and thread.is_alive() for thread in threads))
    executor.stop()  # which twice is no mistake


def test_no_thread_is_started_before_it_is_needed(open_executor: Open) -> None:
    before = threading.active_count()

    executor = open_executor(16)

    assert threading.active_count() == before
    assert executor.take_back() == []
