"""A roll-out and a roll-back of one application beside another one, with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rota import Rota
from tests.end_to_end.processes import environment, until

pytestmark = pytest.mark.long

RELEASE = """
from rota import Rota, every

rota = Rota(name={name!r})
@rota.job("{name}/steady", schedule=every({every!r}), overlap="allow")
def steady() -> None: ...
"""
MORE = """
@rota.job("{name}/new", schedule=every("1s"), overlap="allow")
def new() -> None: ...
"""


def write(folder: Path, name: str, every: str, *, more: bool = False) -> Path:
    folder.mkdir()
    (folder / "jobs.py").write_text((RELEASE + (MORE if more else "")).format(name=name, every=every))
    return folder


@contextmanager
def working(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `rota up` of the code in a folder, which is told to stop at the end."""
    log = folder / "log"
    begun = log.read_text().count("Rota is up") if log.exists() else 0
    with log.open("ab") as output:
        command = [sys.executable, "-m", "rota", "--app", "jobs:rota", "up"]
        process = subprocess.Popen(command, cwd=folder, env=environment(url), stdout=output, stderr=output)
    try:
        until("it is up", lambda: log.read_text().count("Rota is up") > begun or process.poll() is not None, log=log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def definitions(app: Rota) -> dict[str, str]:
    """The schedules, and how often each is due."""
    found = {}
    for record in app.schedules.page():
        found[record.name] = "2s" if '"2s"' in record.definition else "1s"
    return found


def fires(app: Rota, name: str) -> int:
    return len(app.schedules.fires(name, limit=1_000))


def test_a_roll_out_and_a_roll_back_take_nothing_from_anybody(database_url: str, tmp_path: Path) -> None:
    old = write(tmp_path / "old", "shop", "2s")
    new = write(tmp_path / "new", "shop", "1s", more=True)
    blog = write(tmp_path / "blog", "blog", "1s")
    thief = write(tmp_path / "thief", "shop", "1s")
    (thief / "jobs.py").write_text((thief / "jobs.py").read_text().replace("Rota(name='shop')", "Rota(name='thief')"))
    app = Rota(database_url)
    app.ready()
    before = {"blog/steady": "1s", "shop/steady": "2s"}
    after = {"blog/steady": "1s", "shop/steady": "1s", "shop/new": "1s"}

    with working(database_url, blog), working(database_url, old):
        assert definitions(app) == before
        with working(database_url, new):
            assert definitions(app) == after
            with working(database_url, old):  # a process of the old release comes back in the middle of the roll-out
                assert definitions(app) == after
                made = fires(app, "shop/new")
                until("the new one fires on", lambda: fires(app, "shop/new") > made + 2)
            with working(database_url, thief) as refused:
                assert refused.wait(60) == 2
            told = (thief / "log").read_text()
            assert "'shop/steady' belongs to application 'shop'" in told
            assert "application 'thief'" in told
        until("the old release is in force again", lambda: definitions(app) == before, log=old / "log")
        made = fires(app, "blog/steady")
        until("the other application never stopped", lambda: fires(app, "blog/steady") > made)

    done = {(run.job, run.state) for run in app.runs.page(limit=1_000) if run.finished_at is not None}
    waited_when_its_schedule_went = {("shop/new", "cancelled")}
    assert done - waited_when_its_schedule_went == {
        ("blog/steady", "succeeded"), ("shop/steady", "succeeded"), ("shop/new", "succeeded"),
    }  # fmt: skip
    app.close()
