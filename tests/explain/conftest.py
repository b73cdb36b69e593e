from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from rota import Rota
from rota.engine.node import Node
from rota.model.node import NodeSettings
from tests.app.conftest import clock, rota
from tests.explain.helpers import Gate
from tests.ledgers import ledger_url, migrated_file, postgres_ledger, shared_postgres, sqlite_ledger

__all__ = [
    "clock",
    "ledger_url",
    "migrated_file",
    "postgres_ledger",
    "rota",
    "shared_postgres",
    "sqlite_ledger",
]

LONG = 1_000_000.0


@pytest.fixture
def start(rota: Rota) -> Callable[..., Node]:
    """Registers a node whose duties the test ticks; its lease lasts, unless the test says how long."""

    def start(**settings: object) -> Node:
        rota.prepare()
        node = rota.node(NodeSettings(**{"lease": LONG, "threads": 4, **settings}))  # type: ignore[arg-type]
        node.identity.register()
        return node

    return start


@pytest.fixture
def beat() -> Callable[..., None]:
    """Ticks every duty once as its runner does, with some of them broken, and commits their heartbeats."""

    def beat(node: Node, *, broken: str = "") -> None:
        runners = node._runners
        for name, runner in runners.items():
            if name == broken:
                runner.pulse.failed_at, runner.pulse.error = time.monotonic(), "RuntimeError: out of paper"
            elif name != "heartbeat":
                runner._tick()
        node.heartbeat.tick()

    return beat


@pytest.fixture
def nodes_stop() -> Iterator[list[tuple[Gate, Node]]]:
    """Bodies that are inside when the test ends are let out."""
    open_: list[tuple[Gate, Node]] = []
    yield open_
    for gate, node in open_:
        gate.let_go(node)
        node._executors["thread"].stop()
