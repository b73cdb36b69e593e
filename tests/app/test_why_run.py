"""Each reason that `why` can give for a run, brought about by the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from rota import Cancelled, Failed, Retry, Rota, Run, Snoozed, every
from rota.app.why import Why
from rota.engine.node import Node
from rota.errors import NotFoundError
from rota.testing import ManualClock, run_due

Start = Callable[..., Node]
Beat = Callable[..., None]


def first(why: Why) -> str:
    """The reason that is told in the summary."""
    assert why.facts[0].text in why.summary
    return why.facts[0].kind


def sentence(why: Why, kind: str) -> str:
    found = why.fact(kind)
    assert found is not None, why.kinds
    return found.text


class Gate:
    """A job whose body stays inside until the test lets it go."""

    def __init__(self, rota: Rota, **policies: object) -> None:
        self.opened = threading.Event()
        self.inside = threading.Semaphore(0)

        @rota.job("gated", **policies)
        def gated(run: Run) -> None:
            run.progress(3, 10)
            self.inside.release()
            self.opened.wait(10)

        self.job = gated

    def occupy(self, node: Node, runs: int = 1) -> None:
        """Let a node begin so many."""
        node.worker.tick()
        for _ in range(runs):
            assert self.inside.acquire(timeout=10)

    def let_go(self, node: Node) -> None:
        self.opened.set()
        while node.worker.running:
            time.sleep(0.001)
        while not node.finisher.empty:
            node.finisher.tick()


@pytest.fixture
def nodes_stop() -> Iterator[list[tuple[Gate, Node]]]:
    """Bodies that are inside when the test ends are let out."""
    open_: list[tuple[Gate, Node]] = []
    yield open_
    for gate, node in open_:
        gate.let_go(node)
        node.worker.executor.stop()


# --- it waits for a moment


def test_a_run_for_later_waits_for_its_moment(rota: Rota) -> None:
    @rota.job
    def later() -> None: ...

    rota.prepare()
    why = rota.why_run(later.enqueue(delay="1h", by="anna").id)

    assert first(why) == "not_due"
    assert "2026-03-05 13:00:00 UTC (in 1h)" in why.summary
    assert sentence(why, "asked").startswith("anna asked for it")


def test_a_failed_attempt_waits_for_its_retry_and_names_the_error(rota: Rota) -> None:
    @rota.job(retry=Retry(attempts=3, delays=[60]))
    def breaks() -> None:
        raise ValueError("no paper")

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    why = rota.why_run(handle.id)

    assert first(why) == "retry"
    assert (
        "attempt 1 failed (ValueError: no paper), and it is tried again at 2026-03-05 12:01:00 UTC (in 1m)"
        in why.summary
    )
    assert why.fact("attempt_failed") is not None


def test_a_body_that_put_itself_off_says_why(rota: Rota) -> None:
    @rota.job
    def shy() -> Snoozed:
        return Snoozed(timedelta(minutes=5), "the shop is closed")

    rota.prepare()
    handle = shy.enqueue()
    run_due(rota)

    assert first(rota.why_run(handle.id)) == "snoozed"
    assert "the shop is closed" in rota.why_run(handle.id).summary


def test_the_jitter_of_a_schedule_is_told(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"), jitter="30m")
    def spread() -> None: ...

    run_due(rota)
    clock.advance(hours=1)
    run_due(rota)
    [record] = rota.runs.page()
    why = rota.why_run(record.id)

    assert first(why) == "jitter"
    assert sentence(why, "fired") == "schedule spread was due 2026-03-05 13:00:00 UTC"


def test_a_due_run_that_nobody_stages_tells_that_no_node_is_alive(rota: Rota, clock: ManualClock) -> None:
    @rota.job
    def later() -> None: ...

    rota.prepare()
    handle = later.enqueue(delay=10)
    clock.advance(seconds=60)
    why = rota.why_run(handle.id)

    assert first(why) == "no_node"
    assert "nobody has made it available yet" in sentence(why, "not_staged")
    assert sentence(why, "late").startswith("it has waited for 50s")


def test_a_stager_that_died_names_itself(rota: Rota, clock: ManualClock, start: Start, beat: Beat) -> None:
    @rota.job
    def later() -> None: ...

    node = start()
    handle = later.enqueue(delay=10)
    clock.advance(minutes=5)
    beat(node, broken="stager")
    why = rota.why_run(handle.id)

    assert first(why) == "duty_stale"
    assert "the stager of node" in why.summary
    assert "out of paper" in why.summary


# --- it waits in its queue


def test_a_paused_queue_tells_who_paused_it_and_why(rota: Rota, start: Start) -> None:
    @rota.job
    def mail() -> None: ...

    start()
    rota.queues.pause("default", "cli:anna", "the provider is down")
    why = rota.why_run(mail.enqueue().id)

    assert first(why) == "queue_paused"
    assert why.summary.endswith("by cli:anna: the provider is down.")


def test_without_a_node_it_says_so_and_when_the_last_was_seen(rota: Rota, clock: ManualClock, start: Start) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    handle = mail.enqueue()
    assert first(rota.why_run(handle.id)) == "no_node"

    node = start()
    with rota.store.write() as tx:
        node.identity.stop(tx)
    clock.advance(minutes=3)

    assert f"the last one, {node.identity.id}, was seen 3m ago" in rota.why_run(handle.id).summary


def test_a_queue_that_no_node_serves_is_told_with_those_that_are(rota: Rota, start: Start) -> None:
    @rota.job(queue="mail")
    def mail() -> None: ...

    start(queues=("reports", "default"))
    why = rota.why_run(mail.enqueue().id)

    assert first(why) == "queue_not_served"
    assert "no node serves its queue mail; those alive serve default, reports" in why.summary


def test_a_job_that_the_nodes_do_not_know_is_told(
    rota: Rota, start: Start, database_url: str, clock: ManualClock
) -> None:
    newer = Rota(database_url, name="newer", clock=clock)

    @newer.job("new")
    def new() -> None: ...

    node = start()
    newer.prepare()
    handle = new.enqueue()
    node.worker.tick()
    why = rota.why_run(handle.id)

    assert first(why) == "job_unknown"
    assert "no node that is alive has code that knows job new" in why.summary
    newer.close()


def test_a_job_that_nobody_declared_is_told(rota: Rota, start: Start) -> None:
    start()

    @rota.job
    def forgotten() -> None: ...

    assert first(rota.why_run(forgotten.enqueue().id)) == "job_unknown"


def test_a_rate_tells_until_when_it_holds(rota: Rota, clock: ManualClock) -> None:
    @rota.job(rate="1/m")
    def slow() -> None: ...

    rota.prepare()
    slow.enqueue()
    held = slow.enqueue()
    run_due(rota)
    why = rota.why_run(held.id)

    assert first(why) == "rate"
    assert "holds it until 2026-03-05 12:01:00 UTC (in 1m)" in why.summary

    clock.advance(minutes=1)
    run_due(rota)
    assert sentence(rota.why_run(held.id), "late") == "it started 1m late: 1m held back by a limit (rate job:slow)"


def test_a_shared_limit_tells_who_holds_it(rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]) -> None:
    gate = Gate(rota, concurrency=1)
    node = start()
    nodes_stop.append((gate, node))
    holder, held, behind = (gate.job.enqueue() for _ in range(3))
    before = rota.why_run(behind.id)
    gate.occupy(node)
    node.worker.tick()
    why = rota.why_run(held.id)

    assert first(before) == "ahead"
    assert first(why) == "concurrency"
    assert (
        f"no more than 1 may run at once under job:gated; running: run {holder.id} on {node.identity.id}" in why.summary
    )
    assert "1 run held like it goes first" in rota.why_run(behind.id).summary


def test_a_full_limit_is_told_before_any_claim_met_it(
    rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota, concurrency=1)
    node = start()
    nodes_stop.append((gate, node))
    gate.job.enqueue()
    gate.occupy(node)

    assert first(rota.why_run(gate.job.enqueue().id)) == "concurrency"


def test_the_limit_of_a_queue_tells_who_runs_in_it(
    rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    node = start()
    nodes_stop.append((gate, node))
    rota.queues.limit("default", "anna", 1, None)
    holder = gate.job.enqueue()
    gate.occupy(node)
    why = rota.why_run(gate.job.enqueue().id)

    assert first(why) == "queue_concurrency"
    assert f"running: run {holder.id} on" in why.summary


def test_the_rate_of_a_queue_tells_when_the_next_may_start(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    rota.queues.limit("default", "anna", None, "1/m")
    mail.enqueue()
    waits = mail.enqueue()
    run_due(rota)
    why = rota.why_run(waits.id)

    assert first(why) == "queue_rate"
    assert "starts no more than 1/m; the next one may start 2026-03-05 12:01:00 UTC (in 1m)" in why.summary


def test_nodes_that_are_draining_take_nothing_new(rota: Rota, start: Start) -> None:
    @rota.job
    def mail() -> None: ...

    node = start()
    rota.nodes.drain(node.identity.id, "cli:anna")

    assert first(rota.why_run(mail.enqueue().id)) == "nodes_draining"


def test_busy_nodes_are_told_with_the_runs_ahead(rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]) -> None:
    gate = Gate(rota)
    node = start(threads=1)
    nodes_stop.append((gate, node))
    gate.job.enqueue()
    gate.occupy(node)
    node.heartbeat.tick()
    gate.job.enqueue()
    why = rota.why_run(gate.job.enqueue().id)

    assert first(why) == "busy"
    assert sentence(why, "ahead") == "1 run is ahead of it in queue default"


def test_a_worker_that_died_names_itself(rota: Rota, clock: ManualClock, start: Start, beat: Beat) -> None:
    @rota.job
    def mail() -> None: ...

    node = start()
    handle = mail.enqueue()
    clock.advance(minutes=5)
    beat(node, broken="worker")

    assert first(rota.why_run(handle.id)) == "duty_stale"


def test_a_run_with_nothing_in_its_way_starts_with_the_next_claim(rota: Rota, start: Start) -> None:
    @rota.job
    def mail() -> None: ...

    start()

    assert first(rota.why_run(mail.enqueue().id)) == "ready"


# --- it is running


def test_a_running_run_tells_where_it_is_and_how_far(
    rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    node = start()
    nodes_stop.append((gate, node))
    handle = gate.job.enqueue()
    gate.occupy(node)
    next(duty for duty in node.duties if duty.name == "watcher").tick()  # it writes progress down
    rota.runs.cancel(handle.id, "cli:anna")
    why = rota.why_run(handle.id)

    assert first(why) == "cancel_requested"
    assert "by cli:anna" in why.summary
    assert f"attempt 1 is on node {node.identity.id}" in sentence(why, "running")
    assert "3 of 10 done" in sentence(why, "running")


def test_a_run_that_does_not_stop_when_its_time_is_up_is_told(
    rota: Rota, clock: ManualClock, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota, timeout=2)
    node = start()
    nodes_stop.append((gate, node))
    handle = gate.job.enqueue()
    gate.occupy(node)
    clock.advance(seconds=1)
    assert rota.why_run(handle.id).fact("overrun") is None
    clock.advance(seconds=18)
    why = rota.why_run(handle.id)
    reasons = " ".join(each.text for each in rota.status().reasons)

    assert first(why) == "overrun"
    assert "it has run for 19s; it was told to stop at 2s, and its body has not ended yet" in why.summary
    told = f"Run {handle.id} of gated has run for 19s on {node.identity.id}; it was told to stop at 2s, and does not."
    assert told in reasons


def test_what_is_usual_for_the_job_is_told_beside_it(
    rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    node = start()
    gate.opened.set()
    gate.job.enqueue()
    gate.occupy(node)
    gate.let_go(node)
    gate.opened.clear()
    nodes_stop.append((gate, node))
    handle = gate.job.enqueue()
    gate.occupy(node)

    assert "half of its attempts in the last day took up to" in sentence(rota.why_run(handle.id), "usual")


def test_a_run_of_a_node_that_fell_silent_waits_for_its_rescue(
    rota: Rota, clock: ManualClock, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    silent = start(lease=15.0)
    nodes_stop.append((gate, silent))
    handle = gate.job.enqueue()
    gate.occupy(silent)
    clock.advance(seconds=20)

    alone = rota.why_run(handle.id)
    assert first(alone) == "node_lapsed"
    assert "ran out 5s ago; no other node is alive to bring it back" in alone.summary

    rescuer = start()
    assert "another node brings it back within seconds" in rota.why_run(handle.id).summary

    next(duty for duty in rescuer.duties if duty.name == "rescuer").tick()
    brought_back = rota.why_run(handle.id)
    assert brought_back.state == "available"
    assert f"its node {silent.identity.id} was lost" in sentence(brought_back, "rescued")


def test_a_run_on_a_draining_node_says_so(rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]) -> None:
    gate = Gate(rota)
    node = start()
    nodes_stop.append((gate, node))
    handle = gate.job.enqueue()
    gate.occupy(node)
    rota.nodes.drain(node.identity.id, "cli:anna")

    assert first(rota.why_run(handle.id)) == "node_draining"


def test_a_run_that_is_suspected_of_killing_nodes_waits_to_be_done_alone(
    rota: Rota, clock: ManualClock, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    handle = None
    for _ in range(2):
        node = start(lease=15.0)
        nodes_stop.append((gate, node))
        handle = handle or gate.job.enqueue()
        gate.job.enqueue()
        gate.occupy(node, 2)
        clock.advance(seconds=20)
        rescuer = start()
        next(duty for duty in rescuer.duties if duty.name == "rescuer").tick()
        with rota.store.write() as tx:
            rescuer.identity.stop(tx)
    start()
    assert handle is not None
    why = rota.why_run(handle.id)

    assert first(why) == "suspect"
    assert "it was running on 2 nodes that were lost, so it is done alone" in why.summary


def test_a_run_that_kills_its_node_again_and_again_is_quarantined(
    rota: Rota, clock: ManualClock, start: Start, nodes_stop: list[tuple[Gate, Node]]
) -> None:
    gate = Gate(rota)
    rota.prepare()
    handle = gate.job.enqueue()
    for _ in range(3):
        node = start(lease=15.0)
        nodes_stop.append((gate, node))
        gate.occupy(node)
        clock.advance(seconds=20)
        rescuer = start()
        next(duty for duty in rescuer.duties if duty.name == "rescuer").tick()
        with rota.store.write() as tx:
            rescuer.identity.stop(tx)
    why = rota.why_run(handle.id)

    assert (why.state, first(why)) == ("failed", "quarantined")
    assert "3 times" in why.summary


# --- it is over


def test_a_run_that_succeeded_in_time_says_so(rota: Rota) -> None:
    @rota.job
    def quick() -> None: ...

    rota.prepare()
    handle = quick.enqueue()
    run_due(rota)
    why = rota.why_run(handle.id)

    assert first(why) == "succeeded"
    assert why.fact("on_time") is not None


def test_the_lateness_of_a_caught_up_run_is_that_nobody_judged_it(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    run_due(rota)
    clock.advance(hours=1, minutes=20)
    [record] = run_due(rota)

    late = rota.why_run(record.id).fact("late")
    assert late is not None
    assert late.text == "it started 20m late: 20m until a node judged the due moment"
    assert late.data == {"late": 1200.0, "scheduling": 1200.0}


def test_the_lateness_of_a_run_for_later_is_split_into_staging_and_queue(rota: Rota, clock: ManualClock) -> None:
    @rota.job
    def later() -> None: ...

    run_due(rota)
    rota.queues.pause("default", "anna")
    handle = later.enqueue(delay="1m")
    clock.advance(minutes=2)
    run_due(rota)
    clock.advance(minutes=5)
    rota.queues.resume("default", "anna")
    run_due(rota)

    late = rota.why_run(handle.id).fact("late")
    assert late is not None
    assert late.data == {"late": 360.0, "staging": 60.0, "queue": 300.0}


def test_the_lateness_over_retries_counts_the_back_off(rota: Rota, clock: ManualClock) -> None:
    @rota.job(retry=Retry(attempts=2, delays=[60]), schedule=every("1h"))
    def second_time_lucky(run: Run) -> None:
        if run.attempt == 1:
            raise ValueError("not yet")

    run_due(rota)
    clock.advance(hours=1)
    run_due(rota)
    clock.advance(seconds=90)
    [record] = run_due(rota)

    late = rota.why_run(record.id).fact("late")
    assert late is not None
    assert late.data == {"late": 90.0, "back_off": 60.0, "queue": 30.0}


def test_a_run_that_used_up_its_attempts_tells_them_and_the_last_error(rota: Rota) -> None:
    @rota.job(retry=1)
    def breaks() -> None:
        raise ValueError("no paper")

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    why = rota.why_run(handle.id)

    assert first(why) == "attempts_used_up"
    assert "1 of 1" in why.summary
    assert "ValueError: no paper" in why.summary


def test_an_error_that_is_never_tried_again_says_so(rota: Rota) -> None:
    @rota.job(retry=Retry(attempts=5))
    def hopeless() -> Failed:
        return Failed("no such user", permanent=True)

    rota.prepare()
    handle = hopeless.enqueue()
    run_due(rota)

    assert first(rota.why_run(handle.id)) == "permanent"


def test_who_cancelled_it_is_told(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    handle = mail.enqueue(delay=60)
    rota.runs.cancel(handle.id, "cli:anna")
    why = rota.why_run(handle.id)

    assert first(why) == "cancelled"
    assert "cli:anna cancelled it" in why.summary


def test_a_body_that_gave_up_tells_its_reason(rota: Rota) -> None:
    @rota.job
    def careful() -> Cancelled:
        return Cancelled("nothing to send")

    rota.prepare()
    handle = careful.enqueue()
    run_due(rota)

    assert "nothing to send" in rota.why_run(handle.id).summary


def test_a_dismissed_dead_letter_tells_who_closed_it(rota: Rota) -> None:
    @rota.job(retry=1)
    def breaks() -> None:
        raise ValueError

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    rota.runs.dismiss(handle.id, "cli:anna")
    why = rota.why_run(handle.id)

    assert first(why) == "dismissed"
    assert "cli:anna" in why.summary


def test_an_overlap_that_cancelled_it_is_told(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"), overlap="cancel_running")
    def newest_only() -> None: ...

    run_due(rota)
    rota.queues.pause("default", "anna")
    clock.advance(hours=1)
    run_due(rota)
    [old] = rota.runs.page()
    clock.advance(hours=1)
    run_due(rota)

    assert "schedule newest_only (overlap)" in rota.why_run(old.id).summary


def test_a_retry_by_hand_and_a_forced_run_name_the_person(rota: Rota) -> None:
    @rota.job(retry=1, environments=["production"])
    def nightly() -> None:
        raise ValueError

    object.__setattr__(rota.setup, "environment", "laptop")
    rota.prepare()
    handle = rota.trigger("nightly", force_disabled=True, by="cli:anna")
    run_due(rota)
    rota.runs.retry(handle.id, "cli:bob")
    why = rota.why_run(handle.id)

    assert "off in the environment laptop; cli:anna ran it all the same" in sentence(why, "forced")
    assert sentence(why, "retried_by_hand").startswith("cli:bob sent it back")


def test_the_time_of_a_run_that_was_sent_back_counts_from_then(rota: Rota, clock: ManualClock) -> None:
    @rota.job(retry=1)
    def breaks() -> None:
        raise ValueError

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    clock.advance(hours=5)
    rota.runs.retry(handle.id, "cli:bob")
    at_once = rota.why_run(handle.id)
    clock.advance(seconds=40)
    waiting = rota.why_run(handle.id)
    run_due(rota)
    started = rota.why_run(handle.id)

    assert set(at_once.kinds).isdisjoint({"on_time", "late"})
    assert sentence(waiting, "late") == "it has waited for 40s: 40s in the queue"
    assert sentence(started, "late") == "it started 40s late: 40s in the queue"


@pytest.mark.parametrize("outcome", [Failed("not yet"), Snoozed(timedelta(hours=1))])
def test_a_run_that_waits_to_go_on_is_not_told_as_started_before_it_was_due(rota: Rota, outcome: object) -> None:
    @rota.job(retry=Retry(delays=[3600]))
    def later() -> object:
        return outcome

    rota.prepare()
    handle = later.enqueue()
    run_due(rota)

    assert set(rota.why_run(handle.id).kinds).isdisjoint({"on_time", "late"})


def test_runs_by_hand_and_backfills_tell_which_moment_they_stand_for(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    run_due(rota)
    by_hand = rota.schedules.run_now("hourly", by="cli:anna")
    [past] = rota.schedules.backfill("hourly", clock.now(), clock.now(), by="cli:anna")

    assert sentence(rota.why_run(by_hand), "manual") == "schedule hourly was run by hand, asked for by cli:anna"
    assert "2026-03-05 12:00:00 UTC" in sentence(rota.why_run(past), "backfill")


def test_an_old_moment_that_is_backfilled_counts_as_late_nowhere(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    run_due(rota)
    long_ago = clock.now() - timedelta(days=30)
    [run_id] = rota.schedules.backfill("hourly", long_ago, long_ago, by="cli:anna")
    run_due(rota)

    assert rota.why_run(run_id).fact("on_time") is not None
    assert rota.counters.figures().late_p95 == pytest.approx(0)


def test_a_run_that_is_not_there_is_an_error(rota: Rota) -> None:
    rota.prepare()

    with pytest.raises(NotFoundError, match="there is no run 7"):
        rota.why_run(7)
