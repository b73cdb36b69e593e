"""`why` of a run that is to be done in a process of its own, while there is none for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from rota import Rota, Run
from rota.engine.node import Node
from rota.explain.why import Why
from rota.model.node import NodeRecord, NodeSettings
from rota.store import nodes
from tests.engine.helpers import until
from tests.explain.helpers import first

CHILD = [sys.executable, "-m", "rota.cli.slot", "tests.explain.test_why_slots:bodies"]
NO_CHILD = [sys.executable, "-m", "rota.cli.slot", "tests.explain.test_why_slots:nothing"]
bodies = Rota("sqlite:///nowhere.db", name="slots")


@bodies.job("apart", executor="process", timeout=60)
def apart(run: Run) -> None:
    run.sleep(60)


@bodies.job("here")
def here() -> None: ...


@pytest.fixture
def app(database_url: str) -> Iterator[Rota]:
    """The application of this module on a database of the test's own."""
    app = Rota(database_url, name="slots")
    app.job("apart", executor="process", timeout=60)(apart.function)
    app.job("here")(here.function)
    app.prepare()
    yield app
    app.close()


def started(app: Rota, child: list[str] | None, **settings: object) -> Node:
    told = NodeSettings(threads=1, slots=2, heartbeat=0.05, poll=0.02, **settings)  # type: ignore[arg-type]
    node = Node(app, app.store, app.enqueuer, app.listeners, told, "0", child)
    node.start()
    return node


@pytest.fixture
def node(app: Rota) -> Iterator[Node]:
    """One thread and two slots at work."""
    node = started(app, CHILD)
    yield node
    node.stop(0.0)


def why_of(app: Rota, job: str) -> Why:
    return app.why_run(app.enqueue(job).id)


def row_of(app: Rota, node: Node) -> NodeRecord:
    with app.store.read() as tx:
        found = nodes.get(tx, node.identity.id)
    assert found is not None
    return found


def test_while_all_slots_are_busy_it_says_so_and_who_has_them(app: Rota, node: Node) -> None:
    holders = [app.enqueue("apart").id for _ in range(2)]
    until(lambda: all(app.runs.get(each).state == "running" for each in holders))
    why = why_of(app, "apart")

    assert first(why) == "slots_busy"
    assert "all 2 slots of the nodes that serve queue default are busy; running: run" in why.summary
    assert why.facts[0].data["runs"] == holders
    assert all(f"run {each} on {node.identity.id} since" in why.summary for each in holders)


def test_what_is_done_in_slots_takes_no_thread(app: Rota, node: Node) -> None:
    holders = [app.enqueue("apart").id for _ in range(2)]
    until(lambda: row_of(app, node).slots_busy == 2)
    assert [app.runs.get(each).state for each in holders] == ["running"] * 2

    node.worker.draining = True
    assert "busy" not in why_of(app, "here").kinds


def test_a_node_tells_how_many_slots_it_has_and_how_many_are_busy(app: Rota, node: Node) -> None:
    assert (row_of(app, node).slots, row_of(app, node).slots_busy) == (2, 0)

    app.enqueue("apart")
    until(lambda: row_of(app, node).slots_busy)

    assert (row_of(app, node).slots, row_of(app, node).slots_busy) == (2, 1)


@pytest.mark.parametrize("child", [None, NO_CHILD], ids=["has no slots", "cannot start a child"])
def test_where_no_node_can_start_a_process_it_says_so(app: Rota, child: list[str] | None) -> None:
    node = started(app, child)
    if child is not None:
        app.enqueue("apart")
        until(lambda: not row_of(app, node).slots)
    why = why_of(app, "apart")
    node.stop(0.0)

    assert first(why) == "no_slots"
    assert "no node that serves queue default can start one" in why.summary


def test_a_free_node_that_does_not_know_the_job_makes_no_room(app: Rota, node: Node, database_url: str) -> None:
    other = Rota(database_url, name="other")
    other.job("elsewhere")(lambda: None)
    other.prepare()
    free = started(other, CHILD)
    holders = [app.enqueue("apart").id for _ in range(2)]
    until(lambda: all(app.runs.get(each).state == "running" for each in holders))
    why = why_of(app, "apart")
    free.stop(0.0)
    other.close()

    assert first(why) == "slots_busy"
