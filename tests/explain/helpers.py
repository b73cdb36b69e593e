"""Reading an answer of `why`, and a body that stays inside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rota import Rota, Run
from rota.engine.node import Node
from rota.explain.why import Why

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
            self.opened.wait(60)

        self.job = gated

    def occupy(self, node: Node, runs: int = 1) -> None:
        """Let a node begin so many."""
        node.worker.tick()
        for _ in range(runs):
            assert self.inside.acquire(timeout=60)

    def let_go(self, node: Node) -> None:
        self.opened.set()
        while len(node.inflight):
            time.sleep(0.001)
        while node.inflight.uncommitted:
            node.finisher.tick()
