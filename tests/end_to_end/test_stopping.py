"""SIGTERM: no new work, wait for what runs, hand back the rest; and a run that keeps killing its node."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.processes import nodes, open_app, until

pytestmark = pytest.mark.long


@pytest.mark.defect("MB-B1")
def test_on_sigterm_what_runs_is_waited_for_and_counted(database_url: str, tmp_path: Path) -> None:
    app, log = open_app(database_url), tmp_path / "log"
    running = app.handles["stubborn"].enqueue(seconds=1.0)

    with nodes(database_url, 1, log, "--threads", "1") as [node]:
        until("it runs", lambda: running.state == "running", log=log)
        waiting = app.handles["work"].enqueue(number=1)
        node.send_signal(signal.SIGTERM)
        assert node.wait(timeout=60) == 0

    assert running.state == "succeeded"
    assert waiting.state == "available"
    assert waiting.record().crashes == waiting.record().failures == 0


@pytest.mark.defect("MB-B1")
def test_what_does_not_end_in_the_drain_goes_back_and_is_no_failure(database_url: str, tmp_path: Path) -> None:
    app, log = open_app(database_url), tmp_path / "log"
    obedient = app.handles["obedient"].enqueue()
    stubborn = app.handles["stubborn"].enqueue(seconds=60)

    with nodes(database_url, 1, log, "--threads", "4", "--drain", "0.2s") as [node]:
        until("both run", lambda: obedient.state == stubborn.state == "running", log=log)
        begun = time.monotonic()
        node.send_signal(signal.SIGTERM)
        assert node.wait(timeout=60) == 0
        assert time.monotonic() - begun < 30

    for handle in (obedient, stubborn):
        record = handle.record()
        assert (record.state, record.failures, record.crashes) == ("available", 0, 0), log.read_text()


def test_a_second_signal_ends_at_once_and_the_next_node_rescues(database_url: str, tmp_path: Path) -> None:
    app, log = open_app(database_url), tmp_path / "log"
    handle = app.handles["stubborn"].enqueue(seconds=60)

    with nodes(database_url, 1, log, "--threads", "1", ROTA_LEASE__DURATION="600") as [node]:
        until("it runs", lambda: handle.state == "running", log=log)
        node.send_signal(signal.SIGTERM)
        until("it drains", lambda: "Stopping" in log.read_text(), log=log)
        node.send_signal(signal.SIGTERM)
        assert node.wait(timeout=20) == 128 + signal.SIGTERM
    with nodes(database_url, 1, log, "--threads", "1"):
        until("it is rescued", lambda: handle.record().attempt == 2, log=log)  # by the dead process, not by the lease


def test_a_run_that_kills_its_node_three_times_is_quarantined_and_its_company_is_not(
    database_url: str, tmp_path: Path
) -> None:
    app, log = open_app(database_url), tmp_path / "log"
    poison = app.handles["poison"].options(priority=-1).enqueue()
    innocent = [app.handles["work"].enqueue(number=number, seconds=0.01) for number in range(6)]

    with nodes(database_url, 1, log, "--processes", "2", "--threads", "4"):
        until("the poison is found out", lambda: poison.state == "failed", log=log)
        until("the others are done", lambda: all(each.state == "succeeded" for each in innocent), log=log)

    assert poison.record().crashes == 3
    assert "run.quarantined" in [event.kind for event in app.runs.events(poison.id)]
    assert all(each.record().crashes == 0 for each in innocent)


def test_several_processes_share_the_work_and_die_with_the_one_that_started_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"

    with nodes(sqlite_url, 1, log, "--processes", "2", "--threads", "2") as [parent]:
        until("both are up", lambda: len(alive(app)) == 2, log=log)
        os.kill(parent.pid, signal.SIGKILL)
        until("both stopped", lambda: not alive(app), log=log)


def alive(app) -> list[str]:
    return [n.record.id for n in app.nodes.all() if n.record.lost_at is None and n.record.stopped_at is None]
