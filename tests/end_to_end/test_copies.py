"""Real nodes on a copy of a ledger: they do nothing until somebody says what it is."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rota import Rota
from tests.copies import copy_of
from tests.end_to_end.processes import APP, ROOT, environment, nodes, open_app, until
from tests.servers import free_port

WAITING = 5


def rota(url: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rota", "--app", APP, *arguments]
    env = environment(url, **settings)
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@contextmanager
def copied(url: str) -> Iterator[tuple[str, Rota]]:
    """A copy of a ledger that a node of production worked in, with runs that wait."""
    original = Rota(url, environment="production")
    with original.running():
        pass
    original.close()
    original = open_app(url)
    original.enqueue_many("work", [{"number": number} for number in range(WAITING)])
    original.close()
    with copy_of(url, "copy") as copy:
        app = open_app(copy)
        yield copy, app
        app.close()


def readiness(port: int) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["status"]
    except OSError:
        return 0, None


@pytest.mark.parametrize("missed, waiting", [("fire", "keep"), ("skip", "cancel")])  # noqa: PT006
def test_a_node_on_a_copy_waits_and_goes_on_as_it_is_told(
    database_url: str, tmp_path: Path, missed: str, waiting: str
) -> None:
    log, port = tmp_path / "log", free_port()
    with (
        copied(database_url) as (copy, app),
        nodes(copy, 1, log, "--port", str(port), ROTA_ENVIRONMENT="staging", ROTA_LEASE__HEARTBEAT="1s"),
    ):
        until("it is held", lambda: readiness(port) == (503, "held"), log=log)
        until("it has a heartbeat", lambda: any(node.alive for node in app.nodes.all()), log=log)
        assert "HELD: this ledger was copied from" in log.read_text()
        assert "rota db adopt --environment staging" in log.read_text()

        status = json.loads(rota(copy, "status", "--json").stdout)
        assert (status["health"], status["passport"]["fits"]) == ("down", False)
        assert "this ledger was copied from" in status["passport"]["reason"]
        assert next(each for each in status["reasons"] if each["kind"] == "held")["why"] == "copied"
        assert rota(copy, "doctor").returncode == 1
        app.enqueue("work", number=99)
        assert {run.state for run in app.runs.page()} == {"available"}

        assert rota(copy, "db", "adopt", "--environment", "staging").returncode == 2  # nobody to ask what is to be
        chosen = ["--missed", missed, "--waiting", waiting]
        adopted = rota(copy, "db", "adopt", "--environment", "staging", *chosen, "--json")
        assert adopted.returncode == 0, adopted.stderr
        cancelled = WAITING + 1 if waiting == "cancel" else 0
        assert json.loads(adopted.stdout)["cancelled"] == cancelled

        until("it is ready", lambda: readiness(port) == (200, "ready"), log=log)
        new = app.enqueue("work", number=100)
        assert new.wait(60).state == "succeeded"
        until("a second fires", lambda: bool(app.runs.page(schedule="second", state="succeeded")), log=log)
        until("the others end", lambda: not app.runs.page(job="work", state="available"))
        ends = [run.state for run in app.runs.page(job="work", limit=100)]
        assert ends.count("cancelled") == cancelled
        again = rota(copy, "db", "adopt", "--environment", "staging")
        assert "Nothing was to do" in again.stderr
