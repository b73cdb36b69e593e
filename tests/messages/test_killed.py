"""Killed at any point and taken up again, a campaign sends each message once, and says of which it cannot know."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.engine.helpers import until
from tests.messages import sending
from tests.messages.servers import Mailbox, Provider

PEOPLE = 1_500


@pytest.fixture(scope="session")
def quick() -> Any:
    """Processes that have imported everything when they begin."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.messages.sending"])
    return context


@pytest.fixture
def everybody(engine: Engine, anybody: Callable[[int], None]) -> list[str]:
    anybody(PEOPLE)
    return sorted(f"p{n}@example.org" for n in range(1, PEOPLE + 1))


@pytest.fixture
def start(everybody: list[str], database_url: str, quick: Any) -> Iterator[Callable[..., Any]]:
    started = []

    def start_(kind: str, where: Any, number: int) -> tuple[Any, Any]:
        told = quick.SimpleQueue()
        process = quick.Process(target=sending.attempt, args=(database_url, kind, where, number, told))
        process.start()
        started.append(process)
        return process, told

    yield start_
    for process in started:
        process.kill()
        process.join()


def kill_on_the_way(start: Callable[..., Any], kind: str, where: Any, count: Callable[[], int], times: int) -> int:
    """Attempt after attempt is killed when some more are out; returns the number of the next one."""
    chance = random.Random(7)
    for number in range(1, times + 1):
        process, _ = start(kind, where, number)
        goal = number * PEOPLE // (times + 1) + chance.randrange(40)
        until(lambda goal=goal: count() >= goal)
        process.kill()
        process.join()
    return times + 1


@pytest.mark.long
@pytest.mark.parametrize("kind", ["smtp with keys", "http"])
def test_at_a_sink_that_knows_keys_every_message_comes_once_and_the_counts_are_true(
    start: Callable[..., Any], everybody: list[str], ledger: Any, kind: str
) -> None:
    with ExitStack() as stack:
        box: Any = stack.enter_context(Provider() if kind == "http" else Mailbox(keys=True))
        where = box.url if kind == "http" else box.port
        number = kill_on_the_way(start, kind, where, lambda: len(box.to), 4)
        _, told = start(kind, where, number)
        counts = told.get()
        assert box.to == everybody

    assert Counter(ledger("status")) == {"sent": PEOPLE}
    assert (counts["planned"], counts["sent"], counts["failed"] + counts["unknown"]) == (PEOPLE, PEOPLE, 0)
    assert counts["already_planned"] == 0


@pytest.mark.long
def test_at_a_sink_that_knows_none_nothing_comes_twice_and_what_nobody_knows_is_unknown(
    start: Callable[..., Any], everybody: list[str], ledger: Any
) -> None:
    with Mailbox() as box:
        number = kill_on_the_way(start, "smtp", box.port, lambda: len(box.to), 3)
        _, told = start("smtp", box.port, number)
        counts = told.get()
        came = Counter(box.to)

    assert max(came.values()) == 1
    found = Counter(ledger("status"))
    assert found["sent"] + found["unknown"] == PEOPLE
    assert 0 < found["unknown"] < PEOPLE // 2
    assert PEOPLE - len(came) <= found["unknown"]  # whatever did not come is not said to be sent
    sent = {f"p{row.recipient}@example.org" for row in ledger() if row.status == "sent"}
    assert sent <= set(came)
    assert (counts["sent"], counts["unknown"]) == (found["sent"], found["unknown"])


def test_two_processes_at_once_send_each_message_once(
    start: Callable[..., Any], everybody: list[str], ledger: Any
) -> None:
    with Mailbox() as box:
        started = [start("smtp", box.port, number) for number in (1, 1)]
        for _, told in started:
            told.get()
        assert box.to == everybody

    assert Counter(ledger("status")) == {"sent": PEOPLE}
