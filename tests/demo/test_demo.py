"""The demonstration as its user meets it: started, seen to send, stopped, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from apps.codenotify.world import AHEAD, World
from apps.demo.contest_server import ContestServer
from tests.codenotify.helpers import DAY, HOUR, NOW

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Demo:
    """A demonstration with data of its own, in a directory of the test's."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self._environment = {**os.environ, "ROTA_DATABASE": f"sqlite:///{directory / 'rota.db'}"}
        self._environment.pop("CODENOTIFY_DATABASE_URL", None)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "apps.demo",
            "--only",
            "codenotify",
            "--size",
            "small",
            "--data",
            str(self.data),
            *arguments,
        ]
        return subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_for_mail(self, process: subprocess.Popen[str]) -> None:
        give_up_at = time.monotonic() + PATIENCE
        while not list(self.data.glob("mails/*.eml")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < give_up_at
            time.sleep(0.05)


def in_a_second_terminal(data: Path, words: str) -> subprocess.CompletedProcess[str]:
    """A shell that knows nothing but what was printed for it."""
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    script = f". {data}/demo.env && {sys.executable} -m {words}"
    return subprocess.run(["sh", "-c", script], cwd=ROOT, env=plain, capture_output=True, text=True, check=False)


def test_it_sends_stops_on_a_signal_tells_what_it_caught_and_goes_on_next_time(tmp_path):
    demo = Demo(tmp_path)
    process = demo.start()
    demo.wait_for_mail(process)
    listed = in_a_second_terminal(demo.data, "rota job run codenotify/send-daily-digests --dry-run --wait")
    assert listed.returncode == 0, listed.stderr
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    assert "Asked for one sync-contests by hand" in err
    assert "Mails caught" in out
    assert f". {demo.data}/demo.env" in err
    assert "rota run ls" in out

    again = demo.start("--for", "1s")
    out, err = again.communicate(timeout=PATIENCE)

    assert again.returncode == 0, err
    assert "there from before" in err


@pytest.mark.parametrize("arguments", [("--for", "bogus"), ("--bogus",)])
def test_what_rota_up_refuses_is_refused_before_anything_is_made(tmp_path, arguments):
    demo = Demo(tmp_path)

    process = demo.start(*arguments)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2
    assert "Usage: rota up" in err
    assert arguments[-1] in err
    assert not demo.data.exists()


def test_the_world_is_the_same_from_wherever_it_is_seen():
    seen = World().between(NOW, NOW + 20 * DAY)
    pieces = [contest for day in range(20) for contest in World().between(NOW + day * DAY, NOW + (day + 1) * DAY)]

    assert seen == pieces
    assert len({contest.key for contest in seen}) == len(seen)


def test_the_world_moves_some_contests_and_drops_fewer():
    world = World()
    planned = world.between(NOW, NOW + 2_000 * DAY)
    late = [world.as_seen(contest, contest.start_time - HOUR) for contest in planned]

    moved = sum(seen is not None and seen != contest for seen, contest in zip(late, planned, strict=True))
    assert 0.01 < moved / len(planned) < 0.05
    assert 0.002 < late.count(None) / len(planned) < 0.03
    assert all(world.as_seen(contest, contest.start_time - 3 * DAY) == contest for contest in planned)


def test_what_is_announced_ends_eight_weeks_ahead():
    assert max(contest.start_time for contest in World().announced(NOW, DAY)) <= NOW + AHEAD + 2 * DAY


def test_a_platform_can_be_broken_and_mended_from_outside(platforms: ContestServer):
    def ask() -> int:
        return httpx.get(f"{platforms.url('codeforces')}/api/contest.list").status_code

    assert httpx.put(f"{platforms.root}/scenario/codeforces/unavailable").status_code == 200
    assert ask() == 503
    httpx.put(f"{platforms.root}/scenario/codeforces/ok")
    assert ask() == 200


@pytest.mark.parametrize("path", ["scenario/spoj/ok", "scenario/codeforces/volcano", "else/where", "scenario"])
def test_a_scenario_that_does_not_exist_is_refused_with_those_that_do(platforms, path):
    assert httpx.put(f"{platforms.root}/{path}").status_code == 400
