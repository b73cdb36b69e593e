"""Rota."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from bench.effects import FILE, Effects
from rota import Rota, cron
from rota.model.node import NodeSettings

WARM_UP = 10


def runs(count: int, url: str) -> float:
    """Runs a second, from the first claim to the last committed result."""
    app = Rota(url)
    done = _counter(app, count)
    app.handles["noop"].enqueue_many({"number": number} for number in range(count))
    node = app.node()
    gc.collect()
    gc.freeze()  # as `rota up` does
    begun = time.perf_counter()
    node.start()
    done.wait()
    while node.inflight.uncommitted or len(node.inflight):
        time.sleep(0.001)
    took = time.perf_counter() - begun
    node.stop()
    assert len(app.runs.page(state="succeeded", limit=count)) == count
    return count / took


def slots(count: int, url: str) -> float:
    """As ``runs``, by two warm children."""
    os.environ["ROTA_DATABASE"] = url
    from bench.contenders.rota_slots import noop, rota

    rota.prepare()
    node = rota.node(NodeSettings(slots=2))
    node.start()

    def work(number: int) -> float:
        goal = node.inflight.completed + number
        noop.enqueue_many([{"number": each} for each in range(number)])
        begun = time.perf_counter()
        while node.inflight.completed < goal or not node.inflight.idle:
            time.sleep(0.001)
        return time.perf_counter() - begun

    work(WARM_UP)
    took = work(count)
    node.stop()
    assert len(rota.runs.page(state="succeeded", limit=count)) == count
    return count / took


def enqueue(count: int, url: str) -> float:
    app = Rota(url)
    _counter(app, count)
    items = [{"number": number} for number in range(count)]
    begun = time.perf_counter()
    for start in range(0, count, 5_000):
        app.handles["noop"].enqueue_many(items[start : start + 5_000])
    return count / (time.perf_counter() - begun)


def latency(count: int, url: str) -> float:
    """Median milliseconds from the call of enqueue to the body, on an idle node."""
    app = Rota(url)
    began = threading.Event()
    at = [0.0]

    @app.job
    def ping() -> None:
        at[0] = time.perf_counter()
        began.set()

    found = []
    with app.running():
        for _ in range(WARM_UP + min(count, 200)):
            time.sleep(0.02)
            began.clear()
            asked = time.perf_counter()
            ping.enqueue()
            began.wait()
            found.append((at[0] - asked) * 1000)
    found = sorted(found[WARM_UP:])
    return found[len(found) // 2]


def schedules(count: int, url: str) -> float:
    """Seconds from the due moment of 10,000 schedules to the start of the last body."""
    app = Rota(url)
    last, seen, done = [0.0], [0], threading.Event()

    @app.job
    def touch(number: int) -> None:
        seen[0] += 1
        last[0] = time.time()
        if seen[0] == 10_000:
            done.set()

    app.prepare()
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    trigger = cron(f"{due.second} {due.minute} {due.hour} * * *")
    app.schedules.add_many({f"s{number}": {"number": number} for number in range(10_000)}, "touch", trigger)
    with app.running():
        assert done.wait(60), f"only {seen[0]} bodies began"
    return last[0] - due.timestamp()


def effects(count: int, url: str) -> float:
    """Runs a second of a body that appends to a file, done by one `rota up`."""
    seen = Effects()
    environment = {**os.environ, "ROTA_DATABASE": url, FILE: str(seen.path)}
    os.environ.update(environment)
    from bench.contenders.rota_effects import append, rota

    rota.prepare()
    append.enqueue_many([{"number": number} for number in range(count)])
    command = [sys.executable, "-m", "rota", "--app", "bench.contenders.rota_effects:rota", "up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as node:
        rate = seen.rate(count)
        node.terminate()
    return rate


def _counter(app: Rota, count: int) -> threading.Event:
    done, seen = threading.Event(), [0]

    @app.job
    def noop(number: int) -> None:
        seen[0] += 1  # a few threads may lose a count; the caller looks at the ledger in the end
        if seen[0] >= count - 50:
            done.set()

    app.prepare()
    return done


if __name__ == "__main__":
    print(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
