"""Each reason that `why` can give for a run while it waits, brought about by the engine."""

from __future__ import annotations

from datetime import timedelta

from rota import Retry, Rota, Snoozed, every
from rota.engine.node import Node
from rota.testing import ManualClock, run_due
from tests.explain.helpers import Beat, Gate, Start, first, sentence

# --- it waits for a moment


def test_a_run_for_later_waits_for_its_moment(rota: Rota) -> None:
    @rota.job
    def later() -> None: ...

    rota.prepare()
    why = rota.why_run(later.options(delay="1h", by="anna").enqueue().id)

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
    handle = later.options(delay=10).enqueue()
    clock.advance(seconds=60)
    why = rota.why_run(handle.id)

    assert first(why) == "no_node"
    assert "nobody has made it available yet" in sentence(why, "not_staged")
    assert sentence(why, "late").startswith("it has waited for 50s")


def test_a_stager_that_died_names_itself(rota: Rota, clock: ManualClock, start: Start, beat: Beat) -> None:
    @rota.job
    def later() -> None: ...

    node = start()
    handle = later.options(delay=10).enqueue()
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
    rota: Rota, start: Start, ledger_url: str, clock: ManualClock
) -> None:
    newer = Rota(ledger_url, name="newer", clock=clock)

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
    assert "starts no more than 1/m; the next one may start 2026-03-05 12:01:00 UTC (in 1m)" in why.summary

    clock.advance(minutes=1)
    run_due(rota)
    assert sentence(rota.why_run(held.id), "late") == "it started 1m late: 1m held back (rate 1/m)"


def test_a_shared_limit_tells_who_holds_it(rota: Rota, start: Start, nodes_stop: list[tuple[Gate, Node]]) -> None:
    gate = Gate(rota, concurrency=1)
    node = start()
    nodes_stop.append((gate, node))
    holder, held, behind = (gate.job.enqueue() for _ in range(3))
    before = rota.why_run(behind.id)
    gate.occupy(node)
    node.worker.tick()
    why = rota.why_run(held.id)

    assert "one that goes first has not begun yet" in before.summary
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


def test_a_rate_that_was_raised_does_not_hold_as_long_as_the_old_one(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    rota.queues.limit("default", "anna", None, "1/d")
    mail.enqueue()
    run_due(rota)
    rota.queues.limit("default", "anna", None, "1/m")
    why = rota.why_run(mail.enqueue().id)

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
