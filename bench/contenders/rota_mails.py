"""A campaign by Rota: a ledger row for each mail, under `rota up`, which is killed twice on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from bench.mails import Sink, people, sink

MOST_MB = 200
COMMAND = [sys.executable, "-m", "rota", "--app", "bench.contenders.rota_campaign:rota", "up"]


def campaign(count: int, url: str) -> float:
    """Mails a second, from the start of the first process to the last mail; each came once."""
    with sink() as server:
        os.environ |= {"ROTA_DATABASE": url, "BENCH_SMTP_PORT": str(server.port), "ROTA_LOG__LEVEL": "warning"}
        from bench.contenders import rota_campaign as app

        app.metadata.create_all(app.engine)
        rows = list(people(count))
        with app.engine.begin() as connection:
            for at in range(0, count, 5_000):
                connection.execute(app.people.insert(), rows[at : at + 5_000])
        app.rota.prepare()
        handle = app.send.enqueue()
        begun = time.perf_counter()
        largest = 0
        for goal in (count // 3, count * 2 // 3, None):
            largest = max(largest, _until(server, goal, count))
        took = time.perf_counter() - begun
        record = handle.wait(60)
        _check(server, count, largest, record)
    return count / took


def _until(server: Sink, goal: int | None, count: int) -> int:
    """One life of `rota up`: killed when so many mails are out, the last one ended in order. Returns its megabytes."""
    peak = [0]
    over = threading.Event()
    with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, start_new_session=True) as node:
        watch = threading.Thread(target=_watch, args=(node.pid, peak, over))
        watch.start()
        server.reached(count if goal is None else goal)
        if goal is not None:
            os.killpg(node.pid, signal.SIGKILL)
        else:
            from bench.contenders.rota_campaign import rota

            while not rota.runs.page(state="succeeded"):
                time.sleep(0.02)
            node.send_signal(signal.SIGTERM)
        node.wait(30)
        over.set()
        watch.join()
    return peak[0]


def _watch(group: int, peak: list[int], over: threading.Event) -> None:
    """Memory of all processes of the group together, ten times a second."""
    while not over.wait(0.1):
        peak[0] = max(peak[0], sum(map(_megabytes, _members(group))))


def _members(group: int) -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            if int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[2]) == group:
                found.append(folder)
    return found


def _megabytes(folder: Path) -> int:
    with contextlib.suppress(OSError):
        for line in folder.joinpath("status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // 1024
    return 0


def _check(server: Sink, count: int, largest: int, record: object) -> None:
    ids = server.ids()
    assert len(ids) == len(set(ids)) == count, f"{len(ids)} mails came, {len(set(ids))} of them different"
    assert largest < MOST_MB, f"{largest} MB"
    print(f"{largest} MB at most; {record.attempt} attempts, {record.result}", file=sys.stderr)  # type: ignore[attr-defined]


if __name__ == "__main__":
    print(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
