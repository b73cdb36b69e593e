"""A plain function that never looks at the signal to stop is let end, and that is told."""

from __future__ import annotations

import threading

from rota import Rota
from rota.clock import ManualClock
from rota.testing import captured_events, run_due


def test_a_function_that_outlasts_its_time_counts_and_is_told(database_url: str) -> None:
    rota = Rota(database_url, clock=ManualClock())
    over = threading.Event()

    @rota.job(timeout=0.05)
    def deaf() -> str:
        over.wait(60)
        return "done"

    handle = deaf.enqueue()
    with captured_events(rota, "run.overran") as told:
        node = rota.node()
        node.identity.register()
        node.worker.tick()
        [attempt] = node.inflight
        keepers = [duty for duty in node.duties if duty.name != "heartbeat"]
        while not told:
            for duty in keepers:
                duty.tick()
            if attempt.signal.reason is not None:
                over.set()

    assert (handle.state, handle.result) == ("succeeded", "done")
    assert told[0].data["timeout"] == 0.05
    assert [event.kind for event in rota.runs.events(handle.id)] == ["run.overran"]
    assert run_due(rota) == []
