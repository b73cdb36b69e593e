"""Real `rota up` processes for the end-to-end tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rota import Rota
from tests.end_to_end.workload import declare

ROOT = Path(__file__).parents[2]
APP = "tests.end_to_end.workload:rota"


def environment(url: str, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROTA_")}
    return kept | {"ROTA_DATABASE": url, "PYTHONUNBUFFERED": "1"} | settings


def start(url: str, *arguments: str, log: Path, group: int | None = None, **settings: str) -> subprocess.Popen[bytes]:
    """A `rota up` in a process group of its own, or in that of another one."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "rota", "--app", APP, "up", *arguments],
            cwd=ROOT,
            env=environment(url, **settings),
            stdout=output,
            stderr=output,
            process_group=group or 0,
        )


@contextmanager
def nodes(url: str, count: int, log: Path, *arguments: str, **settings: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Several in one process group; whatever is left of them at the end is killed."""
    first = start(url, *arguments, log=log, **settings)
    started = [first, *(start(url, *arguments, log=log, group=first.pid, **settings) for _ in range(count - 1))]
    try:
        yield started
    finally:
        left = [child for process in started for child in children(process.pid)]
        kill_group(started)
        for child in left:  # each has a session of its own; one that is deaf does not see that its parent is gone
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def kill_group(processes: list[subprocess.Popen[bytes]]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(processes[0].pid, signal.SIGKILL)
    for process in processes:
        process.wait()


def children(parent: int) -> set[int]:
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if stat[0] != "Z" and int(stat[1]) == parent:
            found.add(int(place.name))
    return found


def until(what: str, holds: Callable[[], bool], within: float = 120.0, log: Path | None = None) -> None:
    """Wait for something that another process will bring about; fail, saying what, when it does not."""
    give_up_at, pause = time.monotonic() + within, 0.001
    while not holds():
        if time.monotonic() > give_up_at:
            told = log.read_text()[-3000:] if log is not None and log.exists() else ""
            raise AssertionError(f"not within {within} s: {what}\n{told}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)  # to look takes the time of who is waited for


def open_app(url: str) -> Rota:
    """The same jobs in this process, which only looks and asks."""
    app = declare(Rota(url))
    app.prepare()
    return app
