"""A fleet in which one node has no data of a time zone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tzdata

from rota import Rota, cron
from tests.end_to_end.processes import environment, until

pytestmark = pytest.mark.long

APP = """
from rota import Rota

rota = Rota()
@rota.job("paris")
def paris() -> None: ...
"""


def test_a_node_that_lacks_a_zone_makes_no_moment_late_and_is_named(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(APP)
    log = tmp_path / "log"
    slim = tmp_path / "slim"
    shutil.copytree(Path(tzdata.__file__).parent, slim / "tzdata")
    (slim / "tzdata/zoneinfo/Europe/Paris").unlink()
    app = Rota(database_url)
    app.job("paris")(lambda: None)

    def up(**settings: str) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            command = [sys.executable, "-m", "rota", "--app", "jobs:rota", "up"]
            environ = environment(database_url, **settings)
            return subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=output, stderr=output)

    nodes = [up(PYTHONPATH=os.pathsep.join([str(slim), *sys.path]), PYTHONTZPATH="")]
    try:
        until("the poor one is up", lambda: "Rota is up" in log.read_text(), log=log)
        app.schedules.add("second", "paris", cron("* * * * * *", tz="Europe/Paris"), catch_up="all", overlap="allow")
        until("it says what it lacks", lambda: "schedule second is left to nodes" in log.read_text(), log=log)
        nodes.append(up())
        until("the rich one judges", lambda: len(app.schedules.fires("second")) > 0, log=log)
        until("and goes on", lambda: len(app.schedules.fires("second")) > 8, log=log)
        told = [each.text for each in app.status().reasons if each.kind == "schedule_unable"]
    finally:
        for node in nodes:
            node.send_signal(signal.SIGTERM)
            node.wait(60)

    late = [fire.decided_at - fire.due_at for fire in app.schedules.fires("second", limit=5)]
    assert max(late) < 15_000_000
    assert len(told) == 1
    assert all(word in told[0] for word in ("second", "Europe/Paris"))
    app.close()
