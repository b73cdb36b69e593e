"""The logging of an application is its own: what Rota adds takes nothing from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import logging, os, threading
from rota import Rota, Run, every
rota = Rota("sqlite:///a.db")
log = logging.getLogger("myapp")


@rota.job("speaks", retry=1)
def speaks(run: Run) -> None:
    run.log.info("quiet %d", 1)
    log.warning("loud")


@rota.job("breaks", retry=1)
def breaks() -> None:
    raise ValueError("no paper")
"""


def stderr(folder: Path, program: str) -> str:
    command = [sys.executable, "-c", HEAD + program]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_errors_of_an_application_without_handlers_are_shown_before_during_and_after(tmp_path: Path) -> None:
    shown = stderr(tmp_path, 'log.error("BEFORE")\nwith rota.running():\n    log.error("DURING")\nlog.error("AFTER")')

    assert shown.split() == ["BEFORE", "DURING", "AFTER"]


def test_logging_that_is_set_up_later_takes_effect(tmp_path: Path) -> None:
    program = """
with rota.running():
    logging.basicConfig(level=logging.INFO, format="MINE %(message)s")
    log.info("HELLO")
"""

    assert "MINE HELLO" in stderr(tmp_path, program)


def test_a_failed_job_is_shown_with_its_traceback_once(tmp_path: Path) -> None:
    shown = stderr(tmp_path, 'with rota.running():\n    breaks.enqueue().wait("60s")')

    assert shown.count("breaks failed for good in attempt 1: ValueError: no paper") == 1
    assert shown.count("Traceback (most recent call last)") == 1
    assert ", in breaks" in shown


def test_lines_of_a_run_are_kept_though_the_application_shows_none_of_them(tmp_path: Path) -> None:
    program = """
logging.basicConfig(level=logging.ERROR, format="MINE %(message)s")
with rota.running():
    run = speaks.enqueue()
    run.wait("60s")
kept = rota.runs.logs(run.id)[1]
assert "quiet 1" in kept and "loud" not in kept, kept  # a logger that is not at WARNING makes no record
"""

    assert stderr(tmp_path, program) == ""


def test_records_of_a_factory_of_the_applications_own_are_kept_as_it_makes_them(tmp_path: Path) -> None:
    program = """
class Mine(logging.LogRecord):
    def getMessage(self):
        return "MINE " + super().getMessage()
logging.setLogRecordFactory(Mine)
with rota.running():
    run = speaks.enqueue()
    run.wait("60s")
kept = rota.runs.logs(run.id)[1]
assert "MINE quiet 1" in kept and "MINE loud" in kept, kept
assert isinstance(logging.getLogRecordFactory()("x", 20, "", 0, "x", (), None), Mine)
"""

    stderr(tmp_path, program)


APPLICATION = """
import logging
{setup}
from rota import Rota, Run
rota = Rota("sqlite:///a.db")


@rota.job("job", retry=1)
def job(run: Run) -> None:
    print("root", logging.getLogger().level, "urllib3", logging.getLogger("urllib3").level, flush=True)
    logging.getLogger("myapp").info("NOISE")
    run.log.info("QUIET")


job.enqueue()
"""
BASIC = 'logging.basicConfig(level=logging.{0}, format="%(name)s %(message)s")'


@pytest.mark.parametrize(
    ("setup", "levels", "noise"),
    [
        (BASIC.format("WARNING"), "root 30 urllib3 0", False),
        (f'{BASIC.format("DEBUG")}; logging.getLogger("urllib3").setLevel(10)', "root 10 urllib3 10", True),
        ('logging.getLogger("urllib3").setLevel(10)', "root 20 urllib3 10", True),
        ("logging.getLogger().setLevel(logging.DEBUG)", "root 10 urllib3 30", True),
        ("", "root 20 urllib3 30", True),
    ],
)
def test_under_rota_up_what_the_application_has_set_stays(tmp_path: Path, setup: str, levels: str, noise: bool) -> None:
    (tmp_path / "app.py").write_text(APPLICATION.format(setup=setup))
    command = [sys.executable, "-m", "rota", "--app", "app:rota", "up", "--for", "2s"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == [levels]
    assert ("NOISE" in done.stderr) == noise
    assert ("QUIET" in done.stderr) == noise
