"""How many runs may run at once, and start in a time: over all nodes, never more, and nobody starves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from rota import Rota, Run, every
from rota.engine.claimer import Claimer
from rota.engine.line import Line, let_go
from rota.engine.node import Node
from rota.model.attempt import Envelope
from rota.model.node import NodeSettings
from rota.model.run import Held as Waiting
from rota.store import runs
from rota.testing import ManualClock, run_due
from tests.engine.helpers import finish, work

Start = Callable[..., Node]
SECOND = 1_000_000


class Held:
    """A node that claims, and whose bodies begin when the test says so: as if they took long."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.envelopes: list[Envelope] = []

    def claim(self) -> None:
        envelopes, _ = self.node.claimer.claim({"thread": self.node.settings.threads - len(self.envelopes)})
        self.envelopes += envelopes

    def end(self, count: int) -> None:
        """Let so many of the claimed runs come to their end."""
        self.node.worker.begin(self.envelopes[:count])
        del self.envelopes[:count]
        finish(self.node)


def running(app: Rota) -> list[dict[str, Any]]:
    return [json.loads(run.arguments) for run in app.runs.page(state="running", limit=1_000)]


@pytest.mark.defect("MB-B11")
def test_a_job_runs_no_more_than_so_often_at_once_on_any_number_of_nodes(app: Rota, start: Start) -> None:
    app.job("job", concurrency=3)(lambda: None)
    handles = [app.enqueue("job") for _ in range(10)]
    nodes = [Held(start(app)), Held(start(app))]

    for _ in range(12):
        for node in nodes:
            node.claim()
            assert sum(len(each.envelopes) for each in nodes) <= 3
            if node.envelopes:
                node.end(1)
                node.claim()
                assert sum(len(each.envelopes) for each in nodes) <= 3

    assert Counter(handle.state for handle in handles) == {"succeeded": 10}


def test_each_key_has_its_own_slots_and_one_that_is_full_keeps_no_other_back(app: Rota, start: Start) -> None:
    app.job("sync", concurrency=2, concurrency_key=lambda city, n: city)(lambda city, n: None)
    for number in range(5):
        app.enqueue("sync", city="Lyon", n=number)
    app.enqueue("sync", city="Nice", n=9)
    node = Held(start(app, threads=16))

    for _ in range(3):
        node.claim()

    assert sorted((each["city"], each["n"]) for each in running(app)) == [("Lyon", 0), ("Lyon", 1), ("Nice", 9)]
    node.end(3)
    node.claim()
    assert sorted((each["city"], each["n"]) for each in running(app)) == [("Lyon", 2), ("Lyon", 3)]  # in order


@pytest.mark.defect("ALL-8")
def test_a_queue_runs_no_more_than_its_concurrency(app: Rota, start: Start) -> None:
    app.job("a", queue="narrow")(lambda: None)
    app.job("b", queue="narrow", concurrency=5)(lambda: None)
    app.prepare()
    app.queues.limit("narrow", "anna", 2, None)
    for number in range(6):
        app.enqueue("ab"[number % 2])
    nodes = [Held(start(app)), Held(start(app))]

    for _ in range(3):
        for node in nodes:
            node.claim()

    assert len(running(app)) == sum(len(each.envelopes) for each in nodes) == 2


def test_the_end_of_a_run_lets_the_next_of_its_queue_begin_without_waiting_for_a_poll(database_url: str) -> None:
    app = Rota(database_url)
    app.job("job", queue="narrow")(lambda: None)
    app.prepare()
    app.queues.limit("narrow", "anna", 1, None)
    with app.running(NodeSettings(threads=2, poll=60.0)):
        handles = [app.enqueue("job") for _ in range(8)]
        for handle in handles:
            handle.wait(60)
    app.close()


def test_a_long_queue_keeps_no_other_from_its_turn(app: Rota, start: Start) -> None:
    app.job("bulk", queue="a")(lambda: None)
    app.job("mail", queue="z")(lambda: None)
    app.handles["bulk"].enqueue_many([{}] * 50)
    mail = app.enqueue("mail")
    node = Held(start(app, threads=2))

    for _ in range(3):
        node.claim()
        node.end(2)

    assert mail.state == "succeeded"


@pytest.mark.parametrize("where", ["job", "queue"])
def test_no_more_runs_start_than_the_rate_allows_and_none_is_left(
    app: Rota, start: Start, clock: ManualClock, where: str
) -> None:
    started: list[int] = []

    def body(run: Run) -> None:
        started.append(app.store.now_us())

    app.job("job", rate="5/10s" if where == "job" else None)(body)
    app.prepare()
    if where == "queue":
        app.queues.limit("default", "anna", None, "5/10s")
    handles = [app.enqueue("job") for _ in range(23)]
    nodes = [start(app), start(app)]

    for _ in range(45):
        for node in nodes:
            for duty in node.duties:
                if duty.name in {"stager", "worker"}:
                    duty.tick()
            finish(node)
        clock.advance(seconds=1)

    assert {handle.state for handle in handles} == {"succeeded"}
    assert started.count(started[0]) == 5  # a full bucket
    for moment in started:
        for window in (2, 10, 30):
            within = [each for each in started if moment <= each < moment + window * SECOND]
            assert len(within) <= 5 + window / 2
    assert started[-1] - started[0] <= (23 - 5 + 1) * 2 * SECOND  # it is used, too


def test_runs_that_the_rate_holds_back_start_in_order(app: Rota, clock: ManualClock) -> None:
    done: list[int] = []
    app.job("job", rate="1/10s")(lambda number: done.append(number))
    for number in range(5):
        app.enqueue("job", number=number)

    for _ in range(6):
        run_due(app)
        clock.advance(seconds=10)

    assert done == [0, 1, 2, 3, 4]


def test_a_rate_that_is_raised_soon_holds(app: Rota, clock: ManualClock) -> None:
    app.job("job")(lambda: None)
    app.prepare()
    app.queues.limit("default", "anna", None, "1/h")
    handles = [app.enqueue("job") for _ in range(3)]
    run_due(app)
    assert [handle.state for handle in handles] == ["succeeded", "available", "available"]

    app.queues.limit("default", "anna", None, "10/s")
    for _ in range(2):
        run_due(app)
        clock.advance(seconds=1)
    run_due(app)

    assert [handle.state for handle in handles] == ["succeeded"] * 3


def test_a_clock_that_steps_back_closes_no_rate_for_long(app: Rota, clock: ManualClock) -> None:
    app.job("slow", rate="2/m")(lambda: None)
    for _ in range(2):
        app.enqueue("slow")
    run_due(app)

    clock.advance(days=-1)
    late = app.enqueue("slow")
    run_due(app)
    clock.advance(minutes=1)
    run_due(app)

    assert late.state == "succeeded"


def test_other_work_goes_on_beside_what_a_limit_holds_back(app: Rota, start: Start) -> None:
    app.job("single", concurrency=1)(lambda: None)
    app.job("free")(lambda: None)
    for _ in range(700):  # more than are looked at in one go
        app.handles["single"].enqueue_many([{}])
    free = app.enqueue("free")
    node = Held(start(app))

    for _ in range(4):
        node.claim()

    assert sorted(envelope.job for envelope in node.envelopes) == ["free", "single"]
    assert free.state == "running"


def test_runs_that_wait_for_a_slot_nobody_uses_are_found(app: Rota, start: Start, clock: ManualClock) -> None:
    """A slot that was freed without a word, as by a crash between two commits."""
    app.job("single", concurrency=1)(lambda: None)
    first, second = app.enqueue("single"), app.enqueue("single")
    node = start(app)
    Held(node).claim()
    assert second.record().held_by is not None
    with app.store.database.exclusive() as tx:
        tx.script(f"UPDATE rota_run SET state = 'succeeded', finished_at = 1 WHERE id = {first.id};")

    clock.advance(seconds=6)
    next(duty for duty in node.duties if duty.name == "stager").tick()
    work(node)

    assert second.state == "succeeded"


def test_lower_priority_numbers_go_first_then_what_was_due_first(app: Rota, start: Start, clock: ManualClock) -> None:
    done: list[str] = []
    app.job("say")(lambda word: done.append(word))
    app.job("urgent", priority=-5)(lambda word: done.append(word))
    app.enqueue("say", word="third")
    clock.advance(seconds=1)
    app.enqueue("say", word="fourth")
    app.options(priority=9).enqueue("say", word="last")
    app.enqueue("urgent", word="second")
    app.options(priority=-6).enqueue("say", word="first")
    node = start(app, threads=1)

    for _ in range(6):
        work(node)

    assert done == ["first", "second", "third", "fourth", "last"]


def test_a_node_claims_only_from_the_queues_it_serves(app: Rota, start: Start) -> None:
    app.job("mail", queue="mail")(lambda: None)
    app.job("report", queue="report")(lambda: None)
    mail, report = app.enqueue("mail"), app.enqueue("report")

    work(start(app, queues=("mail",)))

    assert (mail.state, report.state) == ("succeeded", "available")


def test_a_job_that_a_node_does_not_know_is_left_for_one_that_does(
    open_app: Callable[..., Rota], ledger_url: str, start: Start
) -> None:
    newer, older = open_app(ledger_url), open_app(ledger_url)
    newer.job("new")(lambda: 1)
    older.job("old")(lambda: 1)
    handle = newer.enqueue("new")

    work(start(older))
    assert (handle.state, handle.record().attempt) == ("available", 0)
    run_due(newer)

    assert (handle.state, handle.record().failures) == ("succeeded", 0)


def test_a_node_leaves_a_job_that_only_newer_code_knows_to_the_nodes_that_do(database_url: str) -> None:
    clock = ManualClock()
    old, new = Rota(database_url, name="old", clock=clock), Rota(database_url, name="new", clock=clock)
    old.job("common")(lambda: None)
    new.job("fresh")(lambda: "done")
    old.prepare()
    new.prepare()
    handle = new.handles["fresh"].enqueue()

    run_due(old)  # the older node meets it first

    assert (handle.state, handle.record().held_by) == ("available", None)
    assert [run.id for run in run_due(new)] == [handle.id]
    assert run_due(old) == []


def test_what_a_node_may_not_take_is_not_even_met_by_its_claims(
    app: Rota, open_app: Callable[..., Rota], start: Start
) -> None:
    """A backlog under a full key, and one of a job that only another application knows: neither is looked at."""
    other = open_app(app.settings.database.url, name="other")
    other.job("unknown")(lambda number: None)
    app.job("limited", concurrency=1)(lambda number: None)
    app.job("free")(lambda: None)
    other.prepare()
    app.prepare()
    items = [{"number": number} for number in range(3_000)]
    app.handles["limited"].enqueue_many(items)
    other.handles["unknown"].enqueue_many(items)
    free = app.enqueue("free")
    node = start(app)

    with app.store.read() as tx:
        claimable = runs.candidates(tx, "default", ["free", "limited", "unknown"], 10_000, app.store.now_us())
    node.claimer.claim({"thread": 4})

    assert sorted({candidate.job for candidate in claimable}) == ["free", "limited", "unknown"]
    assert [candidate.job for candidate in claimable].count("limited") == 1
    assert free.state == "running"


def test_those_in_line_go_one_after_the_other_also_where_all_came_due_at_once(app: Rota, clock: ManualClock) -> None:
    done: list[int] = []
    app.job("limited", concurrency=2)(lambda number: done.append(number))
    app.prepare()
    app.handles["limited"].options(delay=60).enqueue_many([{"number": number} for number in range(30)])
    app.handles["limited"].enqueue_many([{"number": number} for number in range(30, 40)])

    run_due(app)
    assert sorted(done) == list(range(30, 40))
    clock.advance(seconds=61)
    run_due(app)

    assert sorted(done) == list(range(40))


def test_places_left_under_very_many_keys_are_found_in_one_go(app: Rota) -> None:
    app.job("sync", concurrency=1, concurrency_key=lambda city, n: city)(lambda city, n: None)
    app.prepare()
    app.enqueue_many("sync", [{"city": str(city), "n": n} for n in range(2) for city in range(1_200)])
    with app.store.write() as tx:
        tx.script("UPDATE rota_run SET state = 'cancelled', finished_at = 1 WHERE held_by IS NULL;")

    run_due(app)

    assert [queue.held for queue in app.queues.all()] == [0]
    assert len(app.runs.page(state="succeeded", limit=2_000)) == 1_200


def test_a_run_that_is_cancelled_leaves_its_place_at_once(app: Rota) -> None:
    app.job("single", concurrency=1)(lambda: None)
    first, second = app.enqueue("single"), app.enqueue("single")

    app.runs.cancel(first.id, by="anna")

    assert second.record().held_by is None


def test_a_run_that_nobody_takes_holds_no_place(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("sync", concurrency=1)(lambda number: None)
    elsewhere = app.options(queue="paused").enqueue("sync", number=0)
    app.queues.pause("paused", by="anna", why="moving")
    here = [app.enqueue("sync", number=number) for number in (1, 2)]
    node = start(app)
    for handle in here:
        work(node)
        assert handle.state == "succeeded"

    app.queues.resume("paused", by="anna")

    work(node)
    assert elsewhere.state == "succeeded"


def test_however_many_end_the_line_of_another_queue_is_no_longer_for_it(app: Rota, start: Start) -> None:
    app.job("sync", concurrency=1)(lambda number: None)
    app.options(queue="paused").enqueue_many("sync", [{"number": number} for number in range(50)])
    app.queues.pause("paused", by="anna", why="moving")
    here = app.enqueue_many("sync", [{"number": number} for number in range(20)])
    node = start(app)

    for _ in here:
        work(node)

    assert app.runs.get(here[-1]).state == "succeeded"
    [paused] = [queue for queue in app.queues.all() if queue.record.name == "paused"]
    assert (paused.waiting, paused.held) == (1, 49)


def test_the_most_urgent_goes_first_whoever_came_first(app: Rota, start: Start) -> None:
    done: list[str] = []
    app.job("mail", concurrency=1)(lambda to: done.append(to))
    for priority, to in enumerate(["last", "second", "first"]):
        app.options(priority=-priority).enqueue("mail", to=to)
    app.options(priority=-1).enqueue_many("mail", [{"to": "third"}])
    node = start(app)

    for _ in range(4):
        work(node)

    assert done == ["first", "second", "third", "last"]


def test_the_most_urgent_that_comes_due_goes_first(app: Rota, start: Start, clock: ManualClock) -> None:
    done: list[str] = []
    app.job("mail", concurrency=1)(lambda to: done.append(to))
    app.options(priority=-1, delay=1).enqueue("mail", to="urgent")
    app.enqueue("mail", to="other")
    clock.advance(seconds=2)

    run_due(app)

    assert done == ["urgent", "other"]


def test_a_place_that_was_left_while_a_run_was_put_in_line_is_found_after_the_commit(app: Rota, start: Start) -> None:
    app.job("single", concurrency=1)(lambda: None)
    first = app.enqueue("single")
    node = start(app)
    [envelope] = node.claimer.claim({"thread": 4})[0]
    with app.store.write() as tx:
        line = Line(tx, "default", app.store.now_us(), {"job:single": 1})
    node.worker.begin([envelope])
    finish(node)  # nobody is in line yet: it frees nobody's place
    second = app.enqueue("single")
    with app.store.write() as tx:
        runs.hold(tx, [Waiting(second.id, "job:single", line.place("job:single") or "")], 1)
    assert (first.state, second.record().held_by is not None) == ("succeeded", True)

    let_go(app.store, line.waiting)

    assert second.record().held_by is None


def test_the_backlog_of_a_rate_is_passed_over_and_touched_by_nobody(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("slow", rate="2/m")(lambda number: None)
    app.job("free")(lambda: None)
    app.prepare()
    app.handles["slow"].enqueue_many([{"number": number} for number in range(3_000)])
    node = start(app)
    node.claimer.claim({"thread": 4})
    free = [app.enqueue("free") for _ in range(2)]

    claimed, _ = node.claimer.claim({"thread": 4})
    other = Claimer(app.store, app.jobs, node.identity, node.inflight, node.settings)
    [queue] = app.queues.all()

    assert {envelope.id for envelope in claimed} == {handle.id for handle in free}
    assert (queue.waiting, queue.held) == (0, 2_998), "told as held"
    assert {run.held_by for run in app.runs.page(limit=3_002)} == {None}, "and not touched"
    assert node.claimer.claim({"thread": 4}) == ([], False)
    assert node.claimer.wait == pytest.approx(30)
    assert other.claim({"thread": 4}) == ([], True), "another node finds out for itself"
    assert other.claim({"thread": 4}) == ([], False)

    clock.advance(seconds=30)
    assert [envelope.job for envelope in node.claimer.claim({"thread": 4})[0]] == ["slow"]


def test_other_work_of_the_queue_needs_no_counting_while_a_job_rests(app: Rota, start: Start) -> None:
    app.job("slow", rate="1/h")(lambda: None)
    app.job("free")(lambda: None)
    app.job("single", concurrency=1)(lambda: None)
    app.prepare()
    app.handles["slow"].enqueue_many([{}] * 3)
    node = start(app)
    node.claimer.claim({"thread": 4})
    app.enqueue("free")

    assert [(work.queue.limited, work.jobs) for work in node.claimer.survey({"thread": 4})] == [(False, ["free"])]
    app.enqueue("single")
    assert [work.queue.limited for work in node.claimer.survey({"thread": 4})] == [True]


def test_a_clock_that_steps_back_lets_no_job_rest_for_long(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("slow", rate="1/m")(lambda: None)
    app.prepare()
    handles = [app.enqueue("slow") for _ in range(2)]
    node = start(app)
    work(node)
    work(node)
    clock.advance(days=-1)
    work(node)
    clock.advance(seconds=61)
    work(node)

    assert [handle.state for handle in handles] == ["succeeded"] * 2


def test_those_of_a_schedule_that_wait_for_one_another_leave_the_line_one_at_a_time(
    app: Rota, clock: ManualClock, start: Callable[..., Node]
) -> None:
    app.job("sync")(lambda: None)
    node = start(app)
    app.schedules.add("hourly", "sync", every("1h"), overlap="queue_all")
    duties = {duty.name: duty for duty in node.duties}
    for _ in range(4):
        duties["declarer"].tick()
        duties["scheduler"].tick()
        clock.advance(hours=1)
    assert len(node.claimer.claim({"thread": 4})[0]) == 1

    duties["stager"].tick()

    waiting = app.runs.page(state="available")
    assert [run.limit_key for run in waiting] == ["schedule:hourly"] * 2
    assert all(run.held_by for run in waiting)
