"""``each="host"``: a fire makes one run for every living host, kept for it, and expired if the host goes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from rota import Rota, RotaError, Run, every
from rota.engine.node import Node
from rota.explain.events import about
from rota.model.host import GONE_US
from rota.store import nodes, runs
from rota.testing import ManualClock, captured_events, run_due
from tests.engine.helpers import finish, kinds, verdicts, work

Start = Callable[..., Node]
GRACE = GONE_US // 1_000_000


def duty(node: Node, name: str) -> Any:
    return next(each for each in node.duties if each.name == name)


def fire(node: Node) -> None:
    duty(node, "scheduler").tick()


def stage(node: Node) -> None:
    duty(node, "stager").tick()


def stop(node: Node) -> None:
    with node.store.write() as tx:
        node.identity.stop(tx)


@dataclass
class Fleet:
    """Three nodes on two hosts."""

    app: Rota
    start: Start
    nodes: list[Node] = field(default_factory=list)

    def begin(self) -> Fleet:
        self.nodes = [self.start(self.app, host=host) for host in ("web-1", "web-1", "web-2")]
        return self

    @property
    def web_1(self) -> Node:
        return self.nodes[0]

    @property
    def web_2(self) -> Node:
        return self.nodes[2]

    def work(self) -> None:
        for node in self.nodes:
            work(node)

    def states(self) -> list[tuple[str, str]]:
        """Host and state of the runs, oldest first."""
        return [(run.host, run.state) for run in reversed(self.app.runs.page(limit=1000))]

    def run_on(self, host: str) -> Any:
        return next(run for run in self.app.runs.page() if run.host == host)

    def host_of(self, node: str | None) -> str:
        return next(each.identity.host for each in self.nodes if each.identity.id == node)


@pytest.fixture
def fleet(app: Rota, start: Start) -> Fleet:
    app.job("prune", schedule=every("1h"), each="host")(lambda: None)
    return Fleet(app, start).begin()


# --- one run a host


def test_each_host_has_one_run_and_none_has_two(fleet: Fleet, clock: ManualClock) -> None:
    for _ in range(20):
        clock.advance(hours=1)
        for node in fleet.nodes:
            fire(node)
        fleet.work()

    done = fleet.app.runs.page(limit=1000)
    assert Counter(run.host for run in done) == {"web-1": 20, "web-2": 20}
    assert {run.state for run in done} == {"succeeded"}
    assert all(fleet.host_of(run.node) == run.host for run in done)
    fires = fleet.app.schedules.fires("prune")
    assert [(each.verdict, each.runs) for each in fires] == [("fired", 2)] * 20
    assert {(run.fire_due_at, run.host) for run in done} == {
        (each.due_at, host) for each in fires for host in ("web-1", "web-2")
    }


def test_schedulers_that_race_make_none_twice(fleet: Fleet, clock: ManualClock) -> None:
    for _ in range(5):
        clock.advance(hours=1)
        at_once = threading.Barrier(len(fleet.nodes))

        def race(node: Node, at_once: threading.Barrier = at_once) -> None:
            at_once.wait(60)
            fire(node)

        threads = [threading.Thread(target=race, args=(node,)) for node in fleet.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        fleet.work()

    assert Counter(fleet.states()) == {("web-1", "succeeded"): 5, ("web-2", "succeeded"): 5}


def test_a_run_waits_for_its_own_host_however_free_the_others_are(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(hours=1)
    fire(fleet.web_1)
    for _ in range(3):
        work(fleet.web_1)
        work(fleet.nodes[1])

    assert sorted(fleet.states()) == [("web-1", "succeeded"), ("web-2", "available")]
    work(fleet.web_2)
    assert fleet.run_on("web-2").node == fleet.web_2.identity.id


def test_other_runs_of_the_job_are_done_anywhere(fleet: Fleet) -> None:
    handle = fleet.app.enqueue("prune")
    work(fleet.web_2)

    assert (handle.record().host, handle.state) == ("", "succeeded")


def test_a_long_line_for_any_host_keeps_no_run_of_this_one_back(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("mail")(lambda n: None)
    app.job("prune", schedule=every("1h"), each="host")(lambda: None)
    node = start(app, host="web-1")
    app.enqueue_many("mail", [{"n": n} for n in range(500)])
    clock.advance(hours=1)
    fire(node)
    for _ in range(4):
        work(node)

    [kept] = [run for run in app.runs.page(limit=1000) if run.host]
    assert kept.state == "succeeded"
    assert app.queues.all()[0].waiting > 400


def test_only_hosts_whose_nodes_serve_the_queue_and_know_the_job_have_a_run(
    open_app: Callable[..., Rota], ledger_url: str, start: Start, clock: ManualClock
) -> None:
    new, old, another = open_app(ledger_url), open_app(ledger_url), open_app(ledger_url, name="another")
    new.job("prune", schedule=every("1h"), each="host")(lambda: None)
    old.job("mail")(lambda: None)
    another.job("report")(lambda: None)
    start(old, host="old-code")
    start(another, host="another-application")
    node = start(new, host="web-1")
    start(new, host="web-2", queues=("slow",))
    clock.advance(hours=1)
    fire(node)

    assert [run.host for run in new.runs.page()] == ["web-1"]


def test_where_no_living_host_serves_the_queue_the_moment_is_missed(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("prune", schedule=every("1h"), each="host", queue="slow")(lambda: None)
    node = start(app, host="web-1", queues=("default",))
    with captured_events(app, "fire.*") as told:
        clock.advance(hours=1)
        fire(node)

    [verdict] = app.schedules.fires("prune")
    assert (verdict.verdict, verdict.reason, verdict.runs) == ("missed", "no living host serves the queue slow", 0)
    assert [event.kind for event in told] == ["fire.missed"]
    assert app.runs.page() == []
    assert "none serves the queue slow" in str(app.why_schedule("prune").fact("no_host"))
    with pytest.raises(RotaError, match="none serves the queue slow") as refused:
        app.schedules.run_now("prune", by="anna")
    assert "rota up" in refused.value.hint


def test_a_node_whose_lease_has_run_out_is_no_living_host(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("prune", schedule=every("1h"), each="host")(lambda: None)
    node = start(app, host="web-1")
    start(app, host="web-2", lease=60)
    clock.advance(hours=1)
    fire(node)

    assert [run.host for run in app.runs.page()] == ["web-1"]


def test_a_host_that_drains_lives(fleet: Fleet, clock: ManualClock) -> None:
    fleet.app.nodes.drain(fleet.web_2.identity.id, "anna")
    clock.advance(hours=1)
    fire(fleet.web_1)

    assert sorted(run.host for run in fleet.app.runs.page()) == ["web-1", "web-2"]


def test_without_a_name_a_host_is_called_as_its_machine(app: Rota, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.model.settings.gethostname", lambda: "box")
    app.job("prune", each="host", schedule=every("1h"))(lambda: None)

    assert app.node().identity.host == "box"


def test_in_a_test_of_the_users_it_runs_once(app: Rota, clock: ManualClock) -> None:
    app.job("prune", schedule=every("1h"), each="host")(lambda: None)
    run_due(app)
    clock.advance(hours=1)

    assert [run.state for run in run_due(app)] == ["succeeded"]


# --- a host that goes


def gone(fleet: Fleet, clock: ManualClock) -> Any:
    """The run that was made for a host which stopped then."""
    clock.advance(hours=1)
    fire(fleet.web_1)
    stop(fleet.web_2)
    return fleet.run_on("web-2")


def test_the_run_of_a_host_that_went_expires_and_says_why(fleet: Fleet, clock: ManualClock) -> None:
    run = gone(fleet, clock)
    why = fleet.app.why_run(run.id)
    assert why.facts[0].kind == "host_gone"
    assert "it is kept for host web-2, which has had no living node for it since" in why.summary
    assert "unless one starts by 2026-03-05 13:01:00 UTC" in why.summary

    with captured_events(fleet.app, "run.expired") as told:
        clock.advance(seconds=GRACE)
        stage(fleet.web_1)

    run = fleet.app.runs.get(run.id)
    assert (run.state, run.error) == ("expired", "its host web-2 is gone since 2026-03-05 13:00:00 UTC")
    assert run.attempt == 0
    [event] = told
    assert event.data["host"] == "web-2"
    assert about(event).text == f"prune expired, as {run.error}"
    assert kinds(fleet.app, run.id) == ["run.expired"]
    why = fleet.app.why_run(run.id)
    assert why.summary == f"Run {run.id} of prune expired: {run.error}."
    assert ", for host web-2" in str(why.fact("fired"))
    assert fleet.app.counters.figures().expired == 1
    work(fleet.web_1)
    assert sorted(fleet.states()) == [("web-1", "succeeded"), ("web-2", "expired")]


def test_no_run_is_made_for_a_host_that_went(fleet: Fleet, clock: ManualClock) -> None:
    gone(fleet, clock)
    clock.advance(hours=1)
    stage(fleet.web_1)
    fire(fleet.web_1)

    assert Counter(run.host for run in fleet.app.runs.page()) == {"web-1": 1, "web-2": 1}


def test_a_host_that_is_started_anew_in_time_keeps_its_run(fleet: Fleet, clock: ManualClock) -> None:
    run = gone(fleet, clock)
    clock.advance(seconds=GRACE - 1)
    stage(fleet.web_1)
    back = fleet.start(fleet.app, host="web-2")
    clock.advance(hours=10)
    stage(fleet.web_1)
    work(back)

    assert fleet.app.runs.get(run.id).state == "succeeded"


def test_as_long_as_one_node_of_a_host_lives_its_run_waits(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(hours=1)
    fire(fleet.web_2)
    stop(fleet.web_1)
    clock.advance(hours=5)
    stage(fleet.web_2)
    work(fleet.nodes[1])

    assert fleet.run_on("web-1").state == "succeeded"


def test_a_host_that_lives_for_other_queues_or_another_application_is_gone_for_this_one(
    open_app: Callable[..., Rota], ledger_url: str, start: Start, clock: ManualClock
) -> None:
    app, another = open_app(ledger_url), open_app(ledger_url, name="another")
    app.job("prune", schedule=every("1h"), each="host")(lambda: None)
    another.job("mail")(lambda: None)
    fleet = Fleet(app, start).begin()
    start(another, host="web-2")
    start(app, host="web-2", queues=("slow",))
    run = gone(fleet, clock)
    clock.advance(seconds=GRACE)
    stage(fleet.web_1)

    assert app.runs.get(run.id).state == "expired"


def test_what_a_lost_node_was_doing_is_for_its_host_alone_and_expires_with_it(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("prune", schedule=every("1h"), each="host", start_within="30m")(lambda: None)
    fleet = Fleet(app, start).begin()
    clock.advance(hours=1)
    fire(fleet.web_1)
    assert len(fleet.web_2.claimer.claim({"thread": 1})[0]) == 1
    with app.store.write() as tx:
        nodes.lose(tx, fleet.web_2.identity.id, app.store.now_us(), 2**62)
    duty(fleet.web_1, "rescuer").tick()
    run = fleet.run_on("web-2")
    assert run.state == "available"
    work(fleet.web_1)
    assert fleet.run_on("web-2").state == "available"

    clock.advance(seconds=GRACE)
    stage(fleet.web_1)

    assert fleet.run_on("web-2").state == "expired"


def test_what_waits_under_a_limit_for_its_moment_or_for_its_schedule_expires_too(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("prune", concurrency=1)(lambda: None)
    fleet = Fleet(app, start).begin()
    app.schedules.add("spread", "prune", every("1h"), each="host", jitter="59m")
    app.schedules.add("paused", "prune", every("1h"), each="host")
    clock.advance(hours=1)
    fire(fleet.web_1)
    fleet.web_2.claimer.claim({"thread": 1})
    app.schedules.pause("paused", by="anna")
    for node in fleet.nodes:
        stop(node)
    node = start(app, host="web-3")
    clock.advance(seconds=GRACE)
    stage(node)

    assert Counter(state for _, state in fleet.states()) == {"expired": 3, "running": 1}


def test_a_thousand_and_more_expire_in_one_go(fleet: Fleet, clock: ManualClock) -> None:
    run = gone(fleet, clock)
    row = {"state": "available", "due_at": run.due_at, "created_at": run.created_at, "arguments": "{}"}
    new = runs.NewRun(job="prune", queue="default", host="web-2", **row)
    with fleet.app.store.write() as tx:
        runs.insert(tx, [new] * 1500)
    clock.advance(seconds=GRACE)
    while duty(fleet.web_1, "stager").tick():
        pass

    assert Counter(run.state for run in fleet.app.runs.page(limit=5000) if run.host == "web-2") == {"expired": 1501}


def test_an_expired_one_that_is_sent_back_waits_for_its_host_once_more(fleet: Fleet, clock: ManualClock) -> None:
    run = gone(fleet, clock)
    clock.advance(hours=1)
    stage(fleet.web_1)
    fleet.app.runs.retry(run.id, "anna")
    stage(fleet.web_1)
    assert fleet.app.runs.get(run.id).state == "available"
    work(fleet.web_1)

    clock.advance(seconds=GRACE)
    stage(fleet.web_1)
    assert fleet.app.runs.get(run.id).state == "expired"
    fleet.app.runs.retry(run.id, "anna")
    work(fleet.start(fleet.app, host="web-2"))

    assert fleet.app.runs.get(run.id).state == "succeeded"


def test_of_a_host_that_nobody_knows_any_more_it_says_so(fleet: Fleet, clock: ManualClock) -> None:
    run = gone(fleet, clock)
    clock.advance(hours=1)
    with fleet.app.store.write() as tx:
        nodes.prune(tx, fleet.app.store.now_us())
    assert "for so long that none is known" in fleet.app.why_run(run.id).summary
    stage(fleet.web_1)

    assert fleet.app.runs.get(run.id).error == "its host web-2 is gone for so long that no node is known"


# --- overlap, limits and the rest


def busy(fleet: Fleet, node: Node, clock: ManualClock) -> None:
    """The host of a node is at its run, the others have done theirs."""
    clock.advance(hours=1)
    fire(fleet.web_1)
    assert len(node.claimer.claim({"thread": 9})[0]) == 1
    fleet.work()


def overlapping(app: Rota, start: Start, overlap: Any) -> Fleet:
    app.job("prune", schedule=every("1h"), each="host", overlap=overlap)(lambda: None)
    return Fleet(app, start).begin()


def test_a_host_that_is_busy_is_left_out_and_keeps_no_other_from_its_run(fleet: Fleet, clock: ManualClock) -> None:
    busy(fleet, fleet.web_2, clock)
    clock.advance(hours=1)
    fire(fleet.web_1)
    fleet.work()

    assert Counter(fleet.states()) == {("web-1", "succeeded"): 2, ("web-2", "running"): 1}
    newest = fleet.app.schedules.fires("prune")[0]
    assert (newest.verdict, newest.runs) == ("fired", 1)
    assert newest.reason == "overlap: web-2 is left out: an earlier run is not over"
    assert newest.reason in str(fleet.app.why_schedule("prune").facts)


def test_where_all_are_busy_the_moment_is_skipped(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(hours=1)
    fire(fleet.web_1)
    for node in (fleet.web_1, fleet.web_2):
        assert len(node.claimer.claim({"thread": 9})[0]) == 1
    clock.advance(hours=1)
    fire(fleet.web_1)

    newest = fleet.app.schedules.fires("prune")[0]
    assert (newest.verdict, newest.reason) == ("skipped", "overlap: an earlier run is not over")


def test_one_waits_on_each_host_with_queue_one(app: Rota, start: Start, clock: ManualClock) -> None:
    fleet = overlapping(app, start, "queue_one")
    busy(fleet, fleet.web_2, clock)
    for _ in range(2):
        clock.advance(hours=1)
        fire(fleet.web_1)
    fleet.work()

    assert Counter(fleet.states()) == {
        ("web-1", "succeeded"): 2,
        ("web-2", "running"): 1,
        ("web-2", "available"): 1,
    }


def test_a_host_does_one_at_a_time_and_the_hosts_do_not_wait_for_each_other(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    fleet = overlapping(app, start, "queue_all")
    for _ in range(2):
        clock.advance(hours=1)
        fire(fleet.web_1)
    claimed = [len(node.claimer.claim({"thread": 9})[0]) for node in fleet.nodes]

    assert claimed == [1, 0, 1]
    keys = {(run.host, run.limit_key) for run in app.runs.page()}
    assert keys == {("web-1", "schedule:prune@web-1"), ("web-2", "schedule:prune@web-2")}


def test_cancel_running_asks_the_run_of_the_same_host_to_stop(app: Rota, start: Start, clock: ManualClock) -> None:
    fleet = overlapping(app, start, "cancel_running")
    busy(fleet, fleet.web_2, clock)
    gone_for = fleet.start(app, host="web-3")
    app.schedules.run_now("prune", by="anna")
    stop(gone_for)
    clock.advance(hours=1)
    fire(fleet.web_1)

    assert {run.host for run in app.runs.page() if run.cancel_at and run.state == "running"} == {"web-2"}
    assert [run.state for run in app.runs.page() if run.host == "web-3"] == ["available"]


def test_a_limit_of_the_jobs_own_is_over_all_hosts_and_one_that_is_gone_stands_in_no_others_way(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("prune", schedule=every("1h"), each="host", concurrency=1)(lambda: None)
    fleet = Fleet(app, start).begin()
    clock.advance(hours=1)
    fire(fleet.web_1)
    assert {run.limit_key for run in app.runs.page()} == {"job:prune"}
    first, _ = fleet.web_2.claimer.claim({"thread": 9})
    assert len(first) == 1
    assert fleet.web_1.claimer.claim({"thread": 9})[0] == []
    fleet.web_2.worker.begin(first)
    finish(fleet.web_2)
    work(fleet.web_1)
    assert Counter(fleet.states()) == {("web-1", "succeeded"): 1, ("web-2", "succeeded"): 1}

    clock.advance(hours=1)
    fire(fleet.web_1)
    stop(fleet.web_2)  # its run might be the first in line
    work(fleet.web_1)
    assert Counter(fleet.states()) == {("web-1", "succeeded"): 2, ("web-2", "succeeded"): 1, ("web-2", "available"): 1}


def test_a_held_run_of_a_host_that_is_gone_takes_no_others_place(app: Rota, start: Start, clock: ManualClock) -> None:
    """All of one key are in line when it is free; the first of them is for a host that does not come."""
    app.job("prune", concurrency=1)(lambda n=0: None)
    fleet = Fleet(app, start).begin()
    app.enqueue("prune")
    first, _ = fleet.web_1.claimer.claim({"thread": 1})
    app.schedules.add("hosts", "prune", every("1h"), each="host")
    app.schedules.run_now("hosts", by="anna")
    for node in fleet.nodes:
        assert node.claimer.claim({"thread": 9})[0] == []
    assert {run.held_by for run in app.runs.page() if run.host} == {"concurrency job:prune"}
    stop(fleet.web_2)
    fleet.web_1.worker.begin(first)
    finish(fleet.web_1)
    work(fleet.web_1)

    assert fleet.run_on("web-1").state == "succeeded"


def test_what_was_missed_is_made_up_for_once_on_every_host(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("prune", schedule=every("1h"), each="host")(lambda: None)
    app.prepare()
    clock.advance(hours=3, minutes=10)
    fleet = Fleet(app, start).begin()
    fire(fleet.web_1)

    assert verdicts(app, "prune") == [("13:00:00-14:00:00 (2)", "superseded"), ("15:00:00", "fired")]
    assert sorted(run.host for run in app.runs.page()) == ["web-1", "web-2"]


def test_all_that_was_missed_is_made_up_for_on_every_host(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("prune", schedule=every("1h"), each="host", catch_up="all")(lambda: None)
    app.prepare()
    clock.advance(hours=3)
    fleet = Fleet(app, start).begin()
    fire(fleet.web_1)

    assert Counter(run.host for run in app.runs.page()) == {"web-1": 3, "web-2": 3}


def test_jitter_spreads_the_hosts_and_start_within_counts_from_there(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("prune", schedule=every("1h"), each="host", jitter="30m", start_within="10m")(lambda: None)
    fleet = Fleet(app, start).begin()
    clock.advance(hours=1)
    fire(fleet.web_1)

    first, second = app.runs.page()
    assert first.due_at != second.due_at
    for run in (first, second):
        assert run.fire_due_at is not None
        assert 0 <= run.due_at - run.fire_due_at < 1_800_000_000
        assert run.expires_at == run.due_at + 600_000_000


def test_by_hand_there_is_one_for_each_living_host(fleet: Fleet, clock: ManualClock) -> None:
    ids = fleet.app.schedules.run_now("prune", by="anna")
    fleet.work()
    assert Counter(fleet.states()) == {("web-1", "succeeded"): 1, ("web-2", "succeeded"): 1}
    assert len(ids) == 2

    clock.advance(hours=2)
    stop(fleet.web_2)
    now = clock.now()
    made = fleet.app.schedules.backfill("prune", now.replace(hour=13), now, by="anna")
    assert [fleet.app.runs.get(each).host for each in made] == ["web-1", "web-1"]


def test_a_schedule_that_goes_on_starts_the_last_one_of_every_host(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(hours=1)
    fire(fleet.web_1)
    fleet.app.schedules.pause("prune", by="anna")
    clock.advance(minutes=30)
    fleet.app.schedules.resume("prune", by="anna")
    fleet.work()

    assert Counter(fleet.states()) == {("web-1", "succeeded"): 1, ("web-2", "succeeded"): 1}


def test_it_is_edited_as_any_policy(fleet: Fleet, clock: ManualClock) -> None:
    fleet.app.schedules.edit("prune", by="anna", each=None)
    clock.advance(hours=1)
    fire(fleet.web_1)
    assert [run.host for run in fleet.app.runs.page()] == [""]

    with pytest.raises(RotaError, match="each='rack' cannot be used") as refused:
        fleet.app.schedules.edit("prune", by="anna", each="rack")  # type: ignore[arg-type]
    assert "host" in refused.value.hint


def test_on_a_job_without_a_schedule_it_does_nothing_and_is_refused(app: Rota) -> None:
    with pytest.raises(RotaError, match="each= is of its schedule, and it has none"):
        app.job("prune", each="host")(lambda: None)


def test_a_body_that_fails_is_tried_again_on_its_own_host(app: Rota, start: Start, clock: ManualClock) -> None:
    def prune(run: Run) -> None:
        if run.attempt == 1:
            raise OSError("the disk is busy")

    app.job("prune", schedule=every("1h"), each="host", retry=3)(prune)
    fleet = Fleet(app, start).begin()
    clock.advance(hours=1)
    fire(fleet.web_1)
    fleet.work()
    assert Counter(fleet.states()) == {("web-1", "scheduled"): 1, ("web-2", "scheduled"): 1}
    clock.advance(minutes=10)
    stage(fleet.web_1)
    fleet.work()

    assert {(run.host, fleet.host_of(run.node), run.state) for run in app.runs.page()} == {
        ("web-1", "web-1", "succeeded"),
        ("web-2", "web-2", "succeeded"),
    }


def test_what_waits_for_other_hosts_is_not_looked_at(fleet: Fleet) -> None:
    """No claim meets any of it: a survey tells of nothing to do, and the job is none of those that wait."""
    new = runs.NewRun(job="prune", queue="default", host="web-9", state="available", due_at=1, created_at=1,
                      arguments="{}")  # type: ignore[arg-type]  # fmt: skip
    with fleet.app.store.write() as tx:
        runs.insert(tx, [new] * 2000)

    assert fleet.web_1.claimer.survey({"thread": 9}) == []
    with fleet.app.store.read() as tx:
        assert runs.waiting_jobs(tx, "default") == []
        assert runs.waiting_jobs(tx, "default", host="web-1") == []
        assert runs.waiting_jobs(tx, "default", host="web-9") == ["prune"]


def test_of_a_host_that_fell_silent_it_is_told(fleet: Fleet, clock: ManualClock) -> None:
    brief = fleet.start(fleet.app, host="web-3", lease=90)
    clock.advance(minutes=1)
    fleet.app.schedules.run_now("prune", by="anna")
    assert brief.identity.host == fleet.run_on("web-3").host
    clock.advance(minutes=5)

    why = fleet.app.why_run(fleet.run_on("web-3").id)
    assert why.facts[0].text == "it is kept for host web-3, whose nodes are silent, and will be given up for lost"
    duty(fleet.web_1, "rescuer").tick()
    why = fleet.app.why_run(fleet.run_on("web-3").id)
    assert why.facts[0].kind == "host_gone"
    assert "queue_not_served" not in why.kinds


def test_a_run_that_waits_for_its_moment_tells_that_its_host_is_gone(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("prune", schedule=every("1h"), each="host", jitter="59m")(lambda: None)
    fleet = Fleet(app, start).begin()
    run = gone(fleet, clock)
    assert run.state == "scheduled"

    assert "unless one starts by 2026-03-05 13:01:00 UTC" in app.why_run(run.id).summary
    clock.advance(seconds=GRACE)
    stage(fleet.web_1)
    assert app.runs.get(run.id).state == "expired"
