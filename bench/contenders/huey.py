"""Huey on SQLite, with fsync as durable as ours."""

from __future__ import annotations

import logging
import sys
import threading
import time

from huey import SqliteHuey

from bench.effects import Effects

WARM_UP = 10


def runs(count: int, url: str) -> float:
    huey = SqliteHuey(filename=url.removeprefix("sqlite:///"), fsync=True)
    done, seen = threading.Event(), [0]

    @huey.task()
    def noop(number: int) -> None:
        seen[0] += 1
        if seen[0] >= count:
            done.set()

    for number in range(count):
        noop(number)
    consumer = huey.create_consumer(workers=4, periodic=False)
    begun = time.perf_counter()
    consumer.start()
    done.wait()
    took = time.perf_counter() - begun
    consumer.stop(graceful=False)
    return count / took


def effects(count: int, url: str) -> float:
    huey, seen = SqliteHuey(filename=url.removeprefix("sqlite:///"), fsync=True), Effects()

    @huey.task()
    def append(number: int) -> None:
        seen.append()

    for number in range(count):
        append(number)
    consumer = huey.create_consumer(workers=4, periodic=False)
    consumer.start()
    rate = seen.rate(count)
    consumer.stop(graceful=False)
    return rate


def latency(count: int, url: str) -> float:
    huey = SqliteHuey(filename=url.removeprefix("sqlite:///"), fsync=True)
    began, at = threading.Event(), [0.0]

    @huey.task()
    def ping() -> None:
        at[0] = time.perf_counter()
        began.set()

    consumer = huey.create_consumer(workers=4, periodic=False, initial_delay=0.001, max_delay=0.01)
    consumer.start()
    found = []
    for _ in range(WARM_UP + min(count, 200)):
        time.sleep(0.02)
        began.clear()
        asked = time.perf_counter()
        ping()
        began.wait()
        found.append((at[0] - asked) * 1000)
    consumer.stop(graceful=False)
    found = sorted(found[WARM_UP:])
    return found[len(found) // 2]


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3]), flush=True)
    sys.exit(0)
