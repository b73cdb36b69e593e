"""Short ways to say what a test is about."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rota import Rota
from rota.clock import from_us
from rota.engine.node import Node

PATIENCE = 120.0


def until(holds: Callable[[], Any]) -> None:
    """Wait for something that another thread is about to do."""
    give_up_at, pause = time.monotonic() + PATIENCE, 0.001
    while not holds():
        assert time.monotonic() < give_up_at, "it did not happen"
        threading.Event().wait(pause)
        pause = min(pause * 1.2, 0.05)  # to look takes the time of who is waited for


def finish(node: Node) -> None:
    """Wait for the bodies that began, and commit what became of them."""
    until(lambda: not len(node.inflight))
    while node.inflight.uncommitted:
        node.finisher.tick()


def work(node: Node) -> None:
    """Claim once, wait for the bodies, commit."""
    node.worker.tick()
    finish(node)


def kinds(app: Rota, run_id: int) -> list[str]:
    return [event.kind for event in app.runs.events(run_id)]


def verdicts(app: Rota, schedule: str) -> list[tuple[str, str]]:
    """The fire ledger of a schedule, oldest first: the moment (or range) and its verdict."""
    found = []
    for fire in reversed(app.schedules.fires(schedule, limit=10_000)):
        moment = f"{from_us(fire.due_at):%H:%M:%S}"
        if fire.through_at is not None:
            moment += f"-{from_us(fire.through_at):%H:%M:%S} ({fire.moments})"
        found.append((moment, fire.verdict))
    return found


def attempts(app: Rota, run_id: int) -> list[tuple[int, str]]:
    return [(each.number, each.outcome) for each in app.runs.attempts(run_id)]
