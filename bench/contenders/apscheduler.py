"""APScheduler 3 in memory (not durable), with its grace raised so that it drops nothing."""

from __future__ import annotations

import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


def schedules(count: int, url: str) -> float:
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(16)}, timezone=UTC)
    last, seen, done = [0.0], [0], threading.Event()

    def touch(number: int) -> None:
        seen[0] += 1
        last[0] = time.time()
        if seen[0] >= 10_000:
            done.set()

    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
    for number in range(10_000):
        scheduler.add_job(
            touch,
            "cron",
            args=[number],
            second=due.second,
            minute=due.minute,
            hour=due.hour,
            misfire_grace_time=60,
        )
    scheduler.start()
    done.wait(60)
    late = last[0] - due.timestamp()
    scheduler.shutdown(wait=False)
    return late


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3]), flush=True)
