"""What `rota up` takes, and what its console says: by real processes, where the log is set up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rota import Rota, every
from rota.cli.main import main
from tests.cli.conftest import Shop, open_shop
from tests.engine.helpers import until

ROTA = [sys.executable, "-m", "rota"]
SPEAKS = """
import logging

from rota import Rota, Run

rota = Rota({url!r})


@rota.job(queue="mail")
def speaks(run: Run) -> None:
    run.log.info("a detail", due=1)
    run.log.warning("a worry", due=2)
"""


@pytest.fixture
def speaking(place: Path) -> Shop:
    shop = open_shop(place, f"sqlite:///{place}/rota.db", SPEAKS)
    shop.app.prepare()
    return shop


def said_by(shop: Shop, *arguments: str, **settings: str) -> list[str]:
    """The console of a `rota up` that did one run and was told to stop."""
    handle = shop.app.enqueue("speaks")
    command = [*ROTA, "--app", f"{shop.module}:rota", "up", *arguments]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, cwd=shop.place, text=True, env=os.environ | settings
    ) as working:
        try:
            handle.wait(60)
            working.send_signal(signal.SIGTERM)
            _, said = working.communicate(timeout=60)
        finally:
            working.kill()
    assert working.returncode == 0, said
    assert "a detail" in shop.app.runs.logs(handle.id)[1]
    shop.app.close()
    return said.splitlines()


def test_a_level_silences_the_lines_of_runs_below_it_and_keeps_them_in_the_ledger(speaking: Shop) -> None:
    said = "\n".join(said_by(speaking, ROTA_LOG__LEVEL="warning"))

    assert "a worry" in said
    assert "a detail" not in said
    assert " info " not in said


def test_without_a_level_the_lines_of_runs_are_shown(speaking: Shop) -> None:
    said = said_by(speaking)

    assert any(line.endswith("a detail due=1") for line in said)
    assert any(line.startswith("Rota is up: ") for line in said)
    assert said[-1] == "Rota is down."


@pytest.mark.parametrize(("above", "said"), [({}, "Ended before it was up."), ({"_ROTA_LEASH": "0"}, "")])
def test_who_is_stopped_while_the_application_loads_says_so_where_nobody_above_does(
    tmp_path: Path, above: dict[str, str], said: str
) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "rota", "--app", "slow:rota", "up"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **above}, **streams) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[1].strip() == said
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("processes", ["1", "2"])
def test_as_json_every_line_of_the_console_is_a_document(speaking: Shop, processes: str) -> None:
    lines = [json.loads(line) for line in said_by(speaking, "--processes", processes, ROTA_LOG__FORMAT="json")]

    messages = [line["message"] for line in lines]
    assert all({"at", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any(message.startswith("Rota is up: ") for message in messages)
    assert any(message.startswith("Stopping") for message in messages)
    assert messages[-1] == "Rota is down."


def test_as_json_the_level_holds_for_what_the_process_says_of_itself_too(speaking: Shop) -> None:
    said = said_by(speaking, ROTA_LOG__FORMAT="json", ROTA_LOG__LEVEL="warning")

    assert [json.loads(line)["message"] for line in said] == ["a worry due=2"]


def test_a_host_without_a_port_is_refused(speaking: Shop) -> None:
    result = speaking.rota("up", "--host", "0.0.0.0", "--for", "0s")

    assert result.exit_code == 2
    assert "--host needs --port" in result.stderr


def test_a_queue_that_no_job_uses_is_worked_on_with_a_warning(speaking: Shop) -> None:
    said = said_by(speaking, "--queues", "mail,mial,nosuch")

    assert [line for line in said if line.startswith("No job of the code")] == [
        "No job of the code uses the queue 'mial'. Did you mean 'mail'?",
        "No job of the code uses the queue 'nosuch'. There are: mail",
    ]


def test_all_queues_may_be_named_by_a_star(speaking: Shop) -> None:
    assert not any("No job" in line for line in said_by(speaking, "--queues", "*"))


def test_the_help_names_nothing_that_is_not_there(place: Path) -> None:
    shown = CliRunner().invoke(main, ["up", "--help"]).stdout

    assert "web" not in shown
    assert "--host" in shown


def test_schedules_that_the_start_removes_are_told(speaking: Shop) -> None:
    other = Rota(f"sqlite:///{speaking.place}/rota.db")
    other.job("nightly", schedule=every("1d"))(lambda: None)
    with other.running():  # and not any more
        pass
    other.close()

    [told] = [line for line in said_by(speaking) if "gone from the code" in line]

    assert told.startswith("1 schedule gone from the code, and removed: nightly.")
    assert "Rota(name=…)" in told


def test_a_slip_in_the_path_of_the_database_makes_no_directory(place: Path) -> None:
    shop = open_shop(place, f"sqlite:///{place}/dta/rota.db")

    refused = shop.rota("up", "--for", "1s")

    assert refused.exit_code == 6
    assert f"there is no directory {place}/dta" in refused.stderr
    assert not (place / "dta").exists()


@pytest.mark.parametrize("limit", [("--recycle-after", "3"), ("--recycle-memory", "1MB")])
def test_a_process_that_has_done_its_share_is_replaced_and_no_run_is_lost(
    speaking: Shop, limit: tuple[str, str]
) -> None:
    app = speaking.app
    first = app.enqueue_many("speaks", [{}] * 5)
    command = [*ROTA, "--app", f"{speaking.module}:rota", "up", "--threads", "1", *limit]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=speaking.place, text=True, env=os.environ) as working:
        try:
            until(lambda: all(app.runs.get(each).state == "succeeded" for each in first))
            until(lambda: any(node.record.stopped_at for node in app.nodes.all()))
            until(lambda: any(node.alive for node in app.nodes.all()))
            later = app.enqueue_many("speaks", [{}])
            until(lambda: app.runs.get(later[0]).state == "succeeded")
            working.send_signal(signal.SIGTERM)
            _, said = working.communicate(timeout=60)
        finally:
            working.kill()

    assert working.returncode == 0, said
    assert "has finished; starting another" in said
    assert len({app.runs.get(each).node for each in [*first, *later]}) >= 2
    assert {tuple(done.outcome for done in app.runs.attempts(each)) for each in first} == {("succeeded",)}


@pytest.mark.parametrize("size", ["lots", "5 apples", "0", "-1MB"])
def test_a_size_that_is_none_is_refused(shop: Shop, size: str) -> None:
    result = shop.rota("up", "--recycle-memory", size)

    assert result.exit_code == 2
    assert '"500MB", "1.5GB"' in result.stderr
