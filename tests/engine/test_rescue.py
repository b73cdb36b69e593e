"""A crashed run comes back, a slow one is left alone, a late result is refused; what kills nodes is found out."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rota import Retry, Rota, Run
from rota.engine.node import Node
from rota.errors import RunLostError
from rota.model.node import machine_identity
from rota.store import counters
from rota.testing import ManualClock
from tests.engine.helpers import attempts, finish, kinds, until, work

Start = Callable[..., Node]


def duty(node: Node, name: str) -> Any:
    return next(each for each in node.duties if each.name == name)


def rescue(node: Node) -> None:
    node.heartbeat.tick()
    duty(node, "rescuer").tick()


def claimed(app: Rota, node: Node) -> list[int]:
    """Claim as a node does that dies before the bodies begin."""
    return [envelope.id for envelope in node.claimer.claim({"thread": node.settings.threads})[0]]


def test_a_lapsed_lease_brings_the_run_back_and_the_late_result_is_refused(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    begun, go = threading.Event(), threading.Event()

    @app.job(retry=Retry(attempts=1))
    def slow(run: Run) -> int:
        if run.attempt == 1:
            begun.set()
            go.wait(60)
        return run.attempt

    frozen, other = start(app, lease=15), start(app)
    handle = slow.enqueue()
    frozen.worker.tick()
    assert begun.wait(60)

    clock.advance(seconds=14)
    rescue(other)
    assert handle.record().attempt == 1  # slow is not lost
    clock.advance(seconds=2)
    rescue(other)
    work(other)
    assert (handle.state, handle.result) == ("succeeded", 2)
    go.set()
    finish(frozen)

    record = handle.record()
    assert (record.result, record.crashes, record.failures, record.node) == ("2", 1, 0, other.identity.id)
    assert kinds(app, handle.id) == ["run.rescued", "run.refused"]
    assert attempts(app, handle.id) == [(1, "crashed"), (2, "succeeded")]
    assert counted(app, "slow") == {"succeeded": 1, "crashed": 1}


def counted(app: Rota, job: str) -> dict[str, int]:
    with app.store.read() as tx:
        measures = counters.totals(tx, 0, job)[job]
    return {name: histogram.total() for name, histogram in measures.items() if name != "late"}


def test_a_node_that_was_given_up_starts_anew_and_tells_its_bodies(app: Rota, start: Start, clock: ManualClock) -> None:
    told: list[str] = []

    @app.job(retry=Retry(attempts=1))
    def slow(run: Run) -> int:
        if run.attempt == 1:
            try:
                run.sleep(10)
            except RunLostError as error:
                told.append(str(error))
                raise
        return run.attempt

    node, other = start(app, lease=15), start(app)
    handle = slow.enqueue()
    node.worker.tick()
    until(lambda: handle.state == "running")
    clock.advance(seconds=16)
    rescue(other)
    old = node.identity.id
    node.heartbeat.tick()
    finish(node)

    assert node.identity.id != old
    assert told == ["the node was given up for lost, and its runs given to others"]
    assert handle.state == "available"
    work(node)
    assert (handle.state, handle.result) == ("succeeded", 2)


def test_a_zombie_and_its_successor_on_one_node_are_told_apart(app: Rota, start: Start, clock: ManualClock) -> None:
    """The node is lost, starts anew and claims its own run again, while the first body still goes on."""
    begun = [threading.Event(), threading.Event()]
    go = [threading.Event(), threading.Event()]

    @app.job(retry=Retry(attempts=1))
    def stubborn(run: Run) -> int:
        begun[run.attempt - 1].set()
        go[run.attempt - 1].wait(60)
        return run.attempt

    node, other = start(app, lease=15), start(app)
    handle = stubborn.enqueue()
    node.worker.tick()
    assert begun[0].wait(60)
    clock.advance(seconds=16)
    rescue(other)
    node.heartbeat.tick()
    node.worker.tick()
    assert begun[1].wait(60)

    go[0].set()
    until(lambda: node.inflight.uncommitted)
    assert len(node.inflight) == 1  # the second is still watched over
    app.runs.cancel(handle.id, "anna")
    duty(node, "watcher").tick()
    [second] = node.inflight
    assert second.signal.is_given()
    go[1].set()
    finish(node)

    assert "run.refused" in kinds(app, handle.id)
    assert handle.state == "cancelled"


def test_a_checkpoint_of_a_zombie_is_refused_and_stops_it(app: Rota, start: Start, clock: ManualClock) -> None:
    begun, go, seen = threading.Event(), threading.Event(), []

    @app.job(retry=Retry(attempts=1))
    def walk(run: Run) -> Any:
        if run.attempt == 1:
            run.save_checkpoint({"page": 1})
            begun.set()
            go.wait(60)
            try:
                run.save_checkpoint({"page": 99})
            except RunLostError:
                seen.append("refused")
                raise
        return run.checkpoint

    node, other = start(app, lease=15), start(app)
    handle = walk.enqueue()
    node.worker.tick()
    assert begun.wait(60)
    clock.advance(seconds=16)
    rescue(other)
    go.set()
    finish(node)
    work(other)

    assert seen == ["refused"]
    assert handle.result == {"page": 1}


def test_a_zombie_cannot_fan_out(app: Rota, start: Start, clock: ManualClock) -> None:
    begun, go = threading.Event(), threading.Event()

    @app.job(retry=Retry(attempts=1))
    def parent(run: Run) -> None:
        if run.attempt == 1:
            begun.set()
            go.wait(60)
            run.fan_out("child", [{}])

    app.job("child")(lambda: None)
    node, other = start(app, lease=15), start(app)
    handle = parent.enqueue()
    node.worker.tick()
    assert begun.wait(60)
    clock.advance(seconds=16)
    rescue(other)
    go.set()
    finish(node)
    work(other)

    assert handle.state == "succeeded"
    assert app.runs.page(job="child") == []


def test_a_node_stops_trusting_its_lease_before_it_lapses(app: Rota, start: Start, clock: ManualClock) -> None:
    @app.job(retry=Retry(attempts=1))
    def obedient(run: Run) -> None:
        if run.attempt == 1:
            run.sleep(10)

    node = start(app, lease=15)
    handle = obedient.enqueue()
    node.worker.tick()
    until(lambda: handle.state == "running")

    clock.advance(seconds=12.1)
    duty(node, "guard").tick()
    finish(node)
    node.worker.tick()

    assert (handle.state, handle.record().crashes, handle.record().failures) == ("available", 0, 0)
    assert not len(node.inflight)  # and it claims nothing
    node.heartbeat.tick()
    work(node)
    assert handle.state == "succeeded"


def test_nobody_is_given_up_by_a_node_that_had_a_gap_itself(app: Rota, start: Start, clock: ManualClock) -> None:
    """After an outage of the database every lease has lapsed: whoever wakes first must not declare the others lost."""
    first, second = start(app, lease=15, heartbeat=5), start(app, lease=15, heartbeat=5)

    clock.advance(seconds=60)
    rescue(first)
    clock.advance(seconds=4)
    rescue(second)

    assert [node.record.lost_at for node in app.nodes.all()] == [None, None]
    for _ in range(4):
        clock.advance(seconds=5)
        rescue(first)  # no gap this time; the second is silent
    lost = [node.record.id for node in app.nodes.all() if node.record.lost_at is not None]
    assert lost == [second.identity.id]


def test_a_dead_process_of_this_machine_is_given_up_at_once(app: Rota, start: Start) -> None:
    app.job("job")(lambda: None)
    dead, alive = start(app), start(app)
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    handle = app.enqueue("job")
    assert claimed(app, dead) == [handle.id]
    kill(app, dead, int(process.stdout))

    rescue(alive)

    assert (handle.state, handle.record().crashes) == ("available", 1)
    assert "run.rescued" in kinds(app, handle.id)


def kill(app: Rota, node: Node, pid: int) -> None:
    """Let the ledger say that the node is a process which is gone."""
    with app.store.database.exclusive() as tx:
        tx.script(
            f"UPDATE rota_node SET pid = {pid}, machine = '{machine_identity()}' WHERE id = '{node.identity.id}';"
        )


def test_runs_that_are_a_nodes_in_the_ledger_alone_go_back(app: Rota, start: Start) -> None:
    """As after a connection that broke between a claim and its answer: the node's lease would hold them for ever."""
    begun, go = threading.Event(), threading.Event()

    @app.job
    def slow() -> None:
        begun.set()
        go.wait(60)

    app.job("job")(lambda: None)
    node = start(app)
    lost = app.enqueue("job")
    assert claimed(app, node) == [lost.id]
    kept = slow.enqueue()
    node.worker.tick()
    assert begun.wait(60)

    duty(node, "strays").tick()
    assert lost.state == "running"  # it might be on its way
    duty(node, "strays").tick()
    duty(node, "strays").tick()

    assert (lost.state, lost.record().crashes) == ("available", 0)
    assert kept.state == "running"
    go.set()
    until(lambda: node.inflight.uncommitted)
    duty(node, "strays").tick()
    duty(node, "strays").tick()
    assert kept.state == "running"  # it has ended, and waits to be committed
    finish(node)
    work(node)
    assert (lost.state, kept.state) == ("succeeded", "succeeded")


def test_a_run_that_is_alone_in_three_crashes_is_quarantined(app: Rota, start: Start, clock: ManualClock) -> None:
    poison = app.job("poison")(lambda: None).enqueue()
    for _ in range(3):
        victim = start(app, lease=15)
        assert claimed(app, victim) == [poison.id]
        clock.advance(seconds=16)
        rescue(start(app))

    record = poison.record()
    assert (record.state, record.crashes, record.failures, record.attempt) == ("failed", 3, 0, 3)
    assert kinds(app, poison.id) == ["run.rescued", "run.rescued", "run.quarantined"]
    assert attempts(app, poison.id) == [(1, "crashed"), (2, "crashed"), (3, "crashed")]
    app.runs.retry(poison.id, "anna")
    work(start(app))
    assert poison.state == "succeeded"


def test_runs_that_crash_in_company_are_suspects_and_then_done_alone(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("job")(lambda: None)
    handles = [app.enqueue("job") for _ in range(3)]
    for _ in range(2):
        victim = start(app, lease=15)
        assert len(claimed(app, victim)) == 3
        clock.advance(seconds=16)
        rescue(start(app))

    assert {(each.record().crashes, each.record().suspected) for each in handles} == {(0, 2)}
    assert len(claimed(app, start(app))) == 1


def test_a_run_with_a_shared_limit_frees_it_when_its_node_is_lost(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("single", concurrency=1)(lambda: None)
    first, second = app.enqueue("single"), app.enqueue("single")
    victim = start(app, lease=15)
    assert claimed(app, victim) == [first.id]
    other = start(app)
    work(other)
    assert second.record().held_by is not None

    clock.advance(seconds=16)
    rescue(other)
    for _ in range(4):
        work(other)

    assert (first.state, second.state) == ("succeeded", "succeeded")


def test_a_run_that_was_asked_to_stop_is_not_begun_again_after_a_crash(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("job")(lambda: None)
    handle = app.enqueue("job")
    assert claimed(app, start(app, lease=15)) == [handle.id]
    app.runs.cancel(handle.id, "anna")

    clock.advance(seconds=16)
    rescue(start(app))

    assert handle.state == "cancelled"
    assert kinds(app, handle.id) == ["run.cancel_requested", "run.cancelled"]


@pytest.mark.parametrize("rounds", [1, 3])
def test_rescuing_again_changes_nothing(app: Rota, start: Start, clock: ManualClock, rounds: int) -> None:
    app.job("job")(lambda: None)
    handle = app.enqueue("job")
    assert claimed(app, start(app, lease=15)) == [handle.id]

    clock.advance(seconds=16)
    others = [start(app) for _ in range(rounds)]
    for other in others:
        rescue(other)

    assert (handle.record().crashes, handle.record().attempt) == (1, 1)
    assert kinds(app, handle.id) == ["run.rescued"]
