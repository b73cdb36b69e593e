"""Each reason that `why` can give for a run while it runs, brought about by the engine."""

from __future__ import annotations

from rota import Rota
from rota.engine.node import Node
from rota.testing import ManualClock
from tests.explain.helpers import Gate, Start, first, sentence


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
    long = f"has run for 19s on {node.identity.id}; it was told to stop at 2s, and does not"
    assert f"it {long}" in why.summary
    assert f"run {handle.id} of gated {long}" in reasons


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
    assert "it was running on 2 nodes that were lost, so it is done in a process of its own, or alone" in why.summary


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
