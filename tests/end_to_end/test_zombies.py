"""A node that was frozen for longer than its lease, and wakes up."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
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
        freeze_between_writes(frozen.pid, database_url)
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


def freeze_between_writes(pid: int, url: str) -> None:
    """A process that is frozen with the one write lock of a SQLite file in its hands stops everybody: that is known."""
    os.kill(pid, signal.SIGSTOP)
    while url.startswith("sqlite") and is_locked(url.removeprefix("sqlite:///")):
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGSTOP)


def is_locked(path: str) -> bool:
    with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


def kinds(app, run_id: int) -> list[str]:
    return [event.kind for event in app.runs.events(run_id)]


def fires_of(app) -> list[FireRecord]:
    return app.schedules.fires("second", limit=1_000)
