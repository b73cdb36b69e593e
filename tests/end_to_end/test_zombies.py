"""A node that was frozen for longer than its lease, and wakes up."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from rota.model.fire import FireRecord
from tests.end_to_end.processes import nodes, open_app, until

pytestmark = pytest.mark.long

SHORT = {"ROTA_LEASE__DURATION": "2", "ROTA_LEASE__HEARTBEAT": "0.5"}


def test_a_frozen_node_that_wakes_fires_nothing_twice_and_its_late_result_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    app, log = open_app(database_url), tmp_path / "log"
    handle = app.handles["stubborn"].enqueue(seconds=1.0)

    with nodes(database_url, 1, log, "--threads", "4", **SHORT) as [frozen]:
        until("it runs", lambda: handle.record().state == "running", log=log)
        [old] = [node for node in app.nodes.all() if node.record.lost_at is None]
        os.kill(frozen.pid, signal.SIGSTOP)
        with nodes(database_url, 1, log, "--threads", "4", **SHORT):
            until("another node has done it", lambda: handle.record().state == "succeeded", log=log)
            assert handle.record().node != old.record.id

            os.kill(frozen.pid, signal.SIGCONT)
            until("the late result came", lambda: "run.refused" in kinds(app, handle.id), log=log)
            refused = len(fires_of(app))
            until("both nodes fire on", lambda: len(fires_of(app)) > refused + 2, log=log)

    record = handle.record()
    assert (record.state, record.result) == ("succeeded", str(record.attempt))
    assert [each.outcome for each in app.runs.attempts(handle.id)] == ["crashed", "succeeded"]
    moments = Counter(fire.due_at for fire in fires_of(app))
    assert set(moments.values()) == {1}
    runs = Counter(run.fire_due_at for run in app.runs.page(job="second", limit=1_000))
    assert set(runs.values()) == {1}


def kinds(app, run_id: int) -> list[str]:
    return [event.kind for event in app.runs.events(run_id)]


def fires_of(app) -> list[FireRecord]:
    return app.schedules.fires("second", limit=1_000)
