"""The shell beside a process that ends its group, also where it begins when its watcher is gone already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.helpers import until

PROGRAM = """
import os, subprocess, sys, time
from rota.cli import warden

leash, held = os.pipe()
if sys.argv[1] == "gone":
    os.close(held)
tree = '(setsid sleep 60 & setsid sleep 60 & wait) & (setsid sleep 60 & wait) & wait'
if sys.argv[1] == "tree":
    subprocess.Popen(["/bin/sh", "-c", tree])
warden.start(leash, warden.GROUP_AND_DESCENDANTS)
print("ready", flush=True)
sys.stdin.read()
if sys.argv[1] == "tree":
    os.close(held)
time.sleep(60)
"""


def start(how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how], start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("number", range(8))
def test_it_ends_a_process_whose_watcher_was_gone_before_it_began(number: int) -> None:
    process = start("gone")
    try:
        assert process.wait(20) == -signal.SIGKILL
    finally:
        kill(process)


def test_all_that_descends_from_it_goes_with_it(tmp_path: Path) -> None:
    process = start("tree")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        until(lambda: len(sleepers(process.pid)) == 3)
        found = sleepers(process.pid)
        assert process.stdin is not None
        process.stdin.close()

        assert process.wait(20) == -signal.SIGKILL
        until(lambda: not any(is_alive(pid) for pid in found))
    finally:
        kill(process)


def sleepers(pid: int) -> set[int]:
    """Those of its descendants that sleep, in groups of their own."""
    found = set()
    for child in children(pid):
        found |= sleepers(child)
        if Path(f"/proc/{child}/comm").read_text().strip() == "sleep":
            found.add(child)
    return found


def children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for list_ in lists for each in list_.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
