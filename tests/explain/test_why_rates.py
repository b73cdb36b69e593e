"""What is told of runs that a rate keeps back: by `why` of each, and by the counts of their queue."""

from __future__ import annotations

import pytest

from rota import Rota
from rota.app.runs import kept_back
from rota.explain.obstacles import counted_up_to
from rota.explain.status import Status
from rota.model.queue import QueueStatus
from rota.store.queues import COUNT_CAP
from rota.testing import ManualClock, run_due
from tests.explain.helpers import Start, first, sentence


def queue(status: Status, name: str = "default") -> QueueStatus:
    return next(each for each in status.queues if each.record.name == name)


@pytest.fixture
def waiting(rota: Rota) -> list[int]:
    """Four runs that wait behind two that a rate of two a minute let start."""

    @rota.job(rate="2/m")
    def slow() -> None: ...

    rota.prepare()
    handles = [slow.enqueue() for _ in range(6)]
    run_due(rota)
    return [each.id for each in handles[2:]]


def test_each_is_told_how_many_go_before_it_and_about_when_it_starts(rota: Rota, waiting: list[int]) -> None:
    found = [rota.why_run(each).summary for each in waiting]
    next_one = "job slow starts no more than 2/m; the next one may start 2026-03-05 12:00:30 UTC (in 30s)"

    assert [first(rota.why_run(each)) for each in waiting] == ["rate"] * 4
    assert found[0].endswith(f"{next_one}.")
    assert found[1].endswith(f"{next_one}; 1 run goes before it, so its own start may be about"
                             " 2026-03-05 12:01:00 UTC (in 1m).")  # fmt: skip
    assert found[3].endswith("; 3 runs go before it, so its own start may be about 2026-03-05 12:02:00 UTC (in 2m).")


def test_its_time_is_told_as_held_by_the_rate_while_it_waits(
    rota: Rota, clock: ManualClock, waiting: list[int]
) -> None:
    clock.advance(seconds=20)

    [late] = [fact for fact in rota.why_run(waiting[3]).facts if fact.kind in {"late", "waiting"}]

    assert "20s held back (rate 2/m)" in late.text
    assert "in the queue" not in late.text


def test_its_start_is_then(rota: Rota, clock: ManualClock, waiting: list[int]) -> None:
    for _ in range(3):
        clock.advance(seconds=30)
        run_due(rota)
    assert rota.runs.get(waiting[3]).state == "available"

    clock.advance(seconds=30)
    run_due(rota)
    assert rota.runs.get(waiting[3]).state == "succeeded"


def test_more_than_a_rate_lets_start_at_once_wait_also_before_the_first_start(rota: Rota, start: Start) -> None:
    @rota.job(rate="2/m")
    def slow() -> None: ...

    start()
    handles = [slow.enqueue() for _ in range(3)]

    assert [first(rota.why_run(each.id)) for each in handles] == ["ready", "ahead", "rate"]
    assert (
        "the next one may start 2026-03-05 12:00:00 UTC (now); 2 runs go before it"
        in rota.why_run(handles[2].id).summary
    )


def test_those_of_its_job_in_other_queues_go_before_it_too(rota: Rota, waiting: list[int]) -> None:
    rota.handles["slow"].options(queue="other", priority=-1).enqueue()

    assert rota.why_run(waiting[0]).facts[0].data["ahead"] == 1


def test_what_cannot_be_counted_cheaply_is_counted_up_to_a_cap(rota: Rota, waiting: list[int]) -> None:
    rota.handles["slow"].options(priority=-1).enqueue_many([{} for _ in range(COUNT_CAP + 1)])
    why = rota.why_run(waiting[0])

    assert why.facts[0].data["ahead"] == COUNT_CAP
    assert f"; {counted_up_to(COUNT_CAP, 'run')} go before it, so its own start may be about" in why.summary
    assert (queue(rota.status()).waiting, queue(rota.status()).held) == (0, COUNT_CAP)


def test_the_rate_of_a_queue_tells_the_same(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    rota.queues.limit("default", "anna", None, "1/m")
    handles = [mail.enqueue() for _ in range(3)]
    run_due(rota)
    why = rota.why_run(handles[2].id)

    assert first(why) == "queue_rate"
    assert "1 run goes before it, so its own start may be about 2026-03-05 12:02:00 UTC (in 2m)" in why.summary
    assert "ahead" not in why.kinds


def test_time_that_the_rate_of_a_queue_kept_is_told_as_held_while_it_waits_and_afterwards(
    rota: Rota, clock: ManualClock
) -> None:
    rota.job("mail")(lambda: None)
    rota.prepare()
    rota.queues.limit("default", "anna", None, "1/m")
    handles = [rota.enqueue("mail") for _ in range(2)]
    run_due(rota)
    clock.advance(seconds=20)
    assert "20s held back (rate 1/m of its queue)" in sentence(rota.why_run(handles[1].id), "late")

    clock.advance(seconds=40)
    run_due(rota)
    assert "1m held back (rate 1/m of its queue)" in sentence(rota.why_run(handles[1].id), "late")


def test_what_came_after_a_rate_allowed_a_start_again_was_not_held_by_it(rota: Rota, clock: ManualClock) -> None:
    slow = rota.job("slow", rate="1/m")(lambda: None)
    rota.prepare()
    slow.enqueue()
    behind = slow.enqueue()
    run_due(rota)
    rota.runs.cancel(behind.id, by="anna")
    clock.advance(minutes=5)

    later = slow.enqueue()
    run_due(rota)

    assert rota.runs.get(later.id).state == "succeeded"
    assert rota.runs.get(later.id).held_for is None


def test_they_count_as_held_and_what_waits_beside_them_as_waiting(rota: Rota, waiting: list[int]) -> None:
    rota.job("free")(lambda: None)
    rota.prepare()
    rota.enqueue("free")
    found = queue(rota.status())

    assert (found.waiting, found.held) == (1, len(waiting))
    assert rota.queues.all()[0] == found


def test_those_that_the_rate_of_their_queue_keeps_back_are_held(rota: Rota) -> None:
    rota.job("mail")(lambda: None)
    rota.prepare()
    rota.queues.limit("default", "anna", None, "1/m")
    for _ in range(3):
        rota.enqueue("mail")
    run_due(rota)
    found = queue(rota.status())

    assert (found.waiting, found.held, found.oldest_due_at) == (0, 2, None)


def test_a_queue_whose_runs_a_rate_keeps_back_is_not_said_to_wait_for_long(
    rota: Rota, clock: ManualClock, start: Start
) -> None:
    @rota.job(rate="1/h")
    def slow() -> None: ...

    start()
    for _ in range(3):
        slow.enqueue()
    run_due(rota)
    clock.advance(minutes=20)

    assert "queue_waits_long" not in {each.kind for each in rota.status().reasons}


def test_once_the_rate_allows_a_start_nothing_is_kept_back(rota: Rota, clock: ManualClock, waiting: list[int]) -> None:
    records = [rota.runs.get(each) for each in waiting]
    assert set(kept_back(rota.store, records).values()) == {"rate 2/m"}

    clock.advance(seconds=30)

    assert kept_back(rota.store, records) == {}
    assert queue(rota.status()).held == 0


@pytest.fixture
def in_line(rota: Rota) -> list[int]:
    """Runs of a job with a limit and a rate: two have begun; two may be claimed, and two stand in line behind them."""

    @rota.job(concurrency=2, rate="2/m")
    def slow() -> None: ...

    rota.prepare()
    handles = [slow.enqueue() for _ in range(6)]
    run_due(rota)
    return [each.id for each in handles[2:]]


def test_who_stands_in_line_for_a_limit_with_room_is_told_that_the_rate_keeps_him(
    rota: Rota, in_line: list[int]
) -> None:
    why = rota.why_run(in_line[3])

    assert rota.runs.get(in_line[3]).held_by == "concurrency job:slow"
    assert why.kinds[:2] == ("rate", "concurrency")
    assert "; 3 runs go before it, so its own start may be about 2026-03-05 12:02:00 UTC (in 2m)" in why.summary
    assert kept_back(rota.store, [rota.runs.get(in_line[3])]) == {in_line[3]: "concurrency job:slow, rate 2/m"}


def test_time_that_a_limit_and_a_rate_kept_is_told_as_both_while_it_waits_and_afterwards(
    rota: Rota, clock: ManualClock, in_line: list[int]
) -> None:
    clock.advance(seconds=20)
    assert "20s held back (concurrency job:slow, rate 2/m)" in sentence(rota.why_run(in_line[3]), "late")

    for _ in range(4):
        clock.advance(seconds=30)
        run_due(rota)
    assert rota.runs.get(in_line[3]).held_for == "concurrency job:slow, rate 2/m"
