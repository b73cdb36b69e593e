"""Every attempt of a run is kept, however it ended, and the times between them add up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rota import Retry, Rota, Run, Snoozed, every
from rota.engine.node import Node
from rota.testing import ManualClock, run_due
from tests.explain.helpers import Gate, Start, sentence


def attempts(rota: Rota, run_id: int) -> list[tuple[int, str]]:
    return [(each.number, each.outcome) for each in rota.runs.attempts(run_id)]


def lateness(rota: Rota, run_id: int) -> dict[str, float]:
    """The parts of it, which add up."""
    late = rota.why_run(run_id).fact("late")
    assert late is not None
    parts = {cause: length for cause, length in late.data.items() if cause != "late"}
    assert sum(parts.values()) == late.data["late"]
    return parts


def duty(node: Node, name: str) -> Any:
    return next(each for each in node.duties if each.name == name)


def test_a_success_at_the_first_attempt_is_told_by_the_run_alone(rota: Rota) -> None:
    @rota.job
    def quick() -> None: ...

    rota.prepare()
    handle = quick.enqueue()
    run_due(rota)

    [attempt] = rota.runs.attempts(handle.id)
    record = handle.record()
    assert (attempt.number, attempt.outcome, attempt.node) == (1, "succeeded", record.node)
    assert (attempt.started_at, attempt.finished_at) == (record.started_at, record.finished_at)
    with rota.store.read() as tx:
        assert tx.all("attempts.of_run", run_id=handle.id) == []  # a row more would cost every run


def test_the_time_of_an_attempt_that_was_handed_back_is_no_waiting(
    rota: Rota, clock: ManualClock, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    node = start(lease=15.0)
    nodes_stop.append((gate, node))
    handle = gate.job.enqueue()
    gate.occupy(node)
    clock.advance(seconds=13)
    [run] = node.inflight
    duty(node, "guard").tick()  # the lease is about to lapse: it is told to stop
    assert run.signal.is_given()
    gate.let_go(node)
    waiting = handle.record()
    clock.advance(seconds=10)

    assert (waiting.state, attempts(rota, handle.id)) == ("available", [(1, "handed_back")])
    assert lateness(rota, handle.id) == {"attempts": 13.0, "queue": 10.0}
    assert sentence(rota.why_run(handle.id), "late").startswith("it has waited for 23s")

    node.heartbeat.tick()
    gate.occupy(node)
    assert attempts(rota, handle.id) == [(1, "handed_back"), (2, "running")]
    gate.let_go(node)

    assert attempts(rota, handle.id) == [(1, "handed_back"), (2, "succeeded")]
    assert lateness(rota, handle.id) == {"queue": 10.0, "attempts": 13.0}
    text = sentence(rota.why_run(handle.id), "handed_back")
    assert text.startswith("attempt 1 was handed back 10s ago, after 13s: the node could not renew its lease")


def test_a_crash_a_failure_and_a_snooze_are_all_there_and_add_up(rota: Rota, clock: ManualClock, start: Start) -> None:
    @rota.job(retry=Retry(attempts=3, delays=[60]))
    def changeable(run: Run) -> object:
        clock.advance(seconds=5)
        if run.attempt == 2:
            raise ValueError("not yet")
        return Snoozed(timedelta(minutes=2), "later") if run.attempt == 3 else None

    lost = start(lease=15.0)
    handle = changeable.enqueue()
    lost.claimer.claim({"thread": 4})  # and it dies before the body begins
    clock.advance(seconds=20)
    duty(start(), "rescuer").tick()
    for _ in range(4):
        run_due(rota)
        clock.advance(minutes=3)

    outcomes = ["crashed", "failed", "snoozed", "succeeded"]
    assert attempts(rota, handle.id) == list(enumerate(outcomes, 1))
    assert lateness(rota, handle.id) == {"attempts": 30.0, "back_off": 60.0, "snoozed": 120.0, "queue": 180.0}


def test_a_run_that_is_brought_back_keeps_the_moment_it_was_due(
    rota: Rota, clock: ManualClock, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    lost = start(lease=15.0)
    nodes_stop.append((gate, lost))
    handle = gate.job.enqueue()
    due_at = handle.record().due_at
    gate.occupy(lost)
    clock.advance(seconds=20)

    duty(start(), "rescuer").tick()
    clock.advance(seconds=7)

    assert (handle.record().state, handle.record().due_at) == ("available", due_at)
    assert lateness(rota, handle.id) == {"attempts": 20.0, "queue": 7.0}


def test_a_run_that_was_never_begun_and_is_given_up_has_not_waited_since(rota: Rota, clock: ManualClock) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    handle = mail.enqueue()
    clock.advance(seconds=40)
    rota.runs.cancel(handle.id, "anna")
    clock.advance(hours=3)

    assert attempts(rota, handle.id) == []
    assert sentence(rota.why_run(handle.id), "late") == "it has waited for 40s: 40s in the queue"


def test_in_a_backfill_now_is_the_moment_that_the_run_stands_for(rota: Rota, clock: ManualClock) -> None:
    seen = []

    @rota.job(schedule=every("1h"), retry=Retry(delays=[1]))
    def hourly(run: Run) -> None:
        seen.append((run.as_of, run.due_at))
        if run.attempt == 1:
            raise ValueError("not yet")

    run_due(rota)
    moment = clock.now() - timedelta(days=30)
    [past] = rota.schedules.backfill("hourly", moment, moment, by="anna")
    [by_hand] = rota.schedules.run_now("hourly", by="anna")
    run_due(rota)
    clock.advance(seconds=5)
    run_due(rota)

    assert seen.count((moment, moment)) == 2  # over the retry, too
    assert rota.runs.get(past).as_of == int(moment.timestamp()) * 1_000_000
    assert rota.runs.get(by_hand).as_of == rota.runs.get(by_hand).created_at
