"""However a process hangs, and whatever is away: it ends in time, leaves nothing behind, and is replaced."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from rota.cli.supervisor import CLOSING_SECONDS
from rota.model.process import process_exists
from tests.end_to_end.processes import ROOT, children, environment, nodes, open_app, until
from tests.ledgers import migrated
from tests.proxy import Proxy

pytestmark = pytest.mark.long

SLACK = 5.0
"""More than a stop takes on a loaded machine, and less than what it must not wait for."""
SHORT = {"ROTA_LEASE__DURATION": "2", "ROTA_LEASE__HEARTBEAT": "0.5"}


def ended_within(process: subprocess.Popen[bytes], seconds: float) -> float:
    begun = time.monotonic()
    process.wait(timeout=seconds)
    return time.monotonic() - begun


def gone(pids: set[int]) -> bool:
    return not any(process_exists(pid) for pid in pids)


def test_a_stop_behind_a_silent_network_ends_in_time(postgres_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Proxy(migrated(postgres_url)) as proxy:
        app = open_app(postgres_url)
        handle = app.handles["stubborn"].enqueue(seconds=60)
        with nodes(proxy.url, 1, log, "--drain", "1s", **SHORT) as [node]:
            until("it runs", lambda: handle.state == "running", log=log)
            proxy.silence()
            time.sleep(1)
            node.send_signal(signal.SIGTERM)
            assert ended_within(node, 60) < 1 + CLOSING_SECONDS + SLACK, log.read_text()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_hup_is_as_term(sqlite_url: str, tmp_path: Path, number: signal.Signals) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"
    handle = app.handles["stubborn"].enqueue(seconds=1)
    with nodes(sqlite_url, 1, log) as [node]:
        until("it runs", lambda: handle.state == "running", log=log)
        node.send_signal(number)
        assert node.wait(60) == 0
    assert handle.state == "succeeded"
    assert log.read_text().endswith("Rota is down.\n")


def test_a_deaf_child_is_killed_at_the_end_of_the_stop(sqlite_url: str, tmp_path: Path) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"
    handle = app.handles["deaf"].enqueue()
    with nodes(sqlite_url, 1, log, "--processes", "2", "--drain", "1s") as [parent]:
        until("it runs", lambda: handle.state == "running", log=log)
        time.sleep(0.5)
        left = children(parent.pid)
        parent.send_signal(signal.SIGTERM)
        assert ended_within(parent, 60) < 1 + CLOSING_SECONDS + SLACK
        assert len(left) == 2
        assert gone(left)


def test_a_deaf_child_is_replaced(sqlite_url: str, tmp_path: Path) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"
    with nodes(sqlite_url, 1, log, "--processes", "2", "--threads", "1", **SHORT) as [parent]:
        until("both are up", lambda: log.read_text().count("Rota is up") == 3, log=log)
        time.sleep(1.5)
        before = children(parent.pid)
        app.handles["deaf"].enqueue()
        until("one is killed", lambda: "has shown no life" in log.read_text(), log=log)
        until("there is another", lambda: len(children(parent.pid) - before) >= 1, log=log)


def test_a_deaf_child_goes_with_a_supervisor_that_is_killed(sqlite_url: str, tmp_path: Path) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"
    handle = app.handles["deaf"].enqueue()
    with nodes(sqlite_url, 1, log, "--processes", "2", "--drain", "0.5s") as [parent]:
        until("it runs", lambda: handle.state == "running", log=log)
        left = children(parent.pid)
        parent.kill()
        parent.wait()
        until("the children are gone", lambda: gone(left), within=0.5 + 5 + 3)


def test_a_second_signal_leaves_nothing_behind(sqlite_url: str, tmp_path: Path) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"
    handle = app.handles["deaf"].enqueue()
    with nodes(sqlite_url, 1, log, "--processes", "2") as [parent]:
        until("it runs", lambda: handle.state == "running", log=log)
        left = children(parent.pid)
        parent.send_signal(signal.SIGINT)
        until("it drains", lambda: "Stopping" in log.read_text(), log=log)
        parent.send_signal(signal.SIGINT)
        assert ended_within(parent, 60) < 2 * SLACK
        until("the children are gone", lambda: gone(left))


def in_a_namespace(*command: str) -> list[str]:
    return ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command]


@pytest.fixture
def namespaces() -> None:
    try:
        subprocess.run(in_a_namespace("true"), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody make a namespace of processes")


@pytest.mark.usefixtures("namespaces")
def test_as_process_one_it_reaps_orphans_and_hears_signals(sqlite_url: str, tmp_path: Path) -> None:
    app, log = open_app(sqlite_url), tmp_path / "log"
    handle = app.handles["orphans"].enqueue(count=5)
    command = [sys.executable, "-m", "rota", "--app", "tests.end_to_end.workload:rota", "up"]
    with log.open("ab") as output:
        outer = subprocess.Popen(
            in_a_namespace(*command), cwd=ROOT, env=environment(sqlite_url), stdout=output, stderr=output
        )
    try:
        handle.wait(60)
        assert handle.state == "succeeded", log.read_text()
        [first] = children(outer.pid)
        assert handle.result == 7  # the body's own child was left to it
        until("no zombies are left", lambda: zombies_of(first) == 0)
        os.kill(first, signal.SIGTERM)
        assert outer.wait(60) == 0, log.read_text()
    finally:
        outer.kill()
    assert "Rota is down." in log.read_text()


def zombies_of(parent: int) -> int:
    count = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        count += stat[0] == "Z" and int(stat[1]) == parent
    return count


def test_silent_connections_to_the_health_port_are_bounded(sqlite_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    open_app(sqlite_url)
    with nodes(sqlite_url, 1, log, "--port", "0") as [node]:
        port = port_of(log)
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        until("they are dropped", lambda: len(list(Path(f"/proc/{node.pid}/fd").iterdir())) < 60)
        for path in ("healthz", "readyz"):
            with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
                assert answer.status == 200
        until("time ends the others", lambda: all(was_closed(each) for each in held))
        for each in held:
            each.close()


def port_of(log: Path) -> int:
    until("it tells its port", lambda: "/healthz" in log.read_text(), log=log)
    found = re.search(r"http://127.0.0.1:(\d+)/", log.read_text())
    assert found
    return int(found[1])


def was_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
