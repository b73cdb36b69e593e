"""Procrastinate over psycopg."""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from procrastinate import App, PsycopgConnector

WARM_UP = 10


def application(url: str) -> App:
    return App(connector=PsycopgConnector(conninfo=url, min_size=2, max_size=10))


async def runs(count: int, url: str) -> float:
    app = application(url)

    @app.task
    async def noop(number: int) -> None:
        pass

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await noop.batch_defer_async(*[{"number": number} for number in range(count)])
        begun = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=10, install_signal_handlers=False)
        return count / (time.perf_counter() - begun)


async def enqueue(count: int, url: str) -> float:
    app = application(url)

    @app.task
    async def noop(number: int) -> None:
        pass

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        begun = time.perf_counter()
        for start in range(0, count, 5_000):
            await noop.batch_defer_async(*[{"number": number} for number in range(start, min(count, start + 5_000))])
        return count / (time.perf_counter() - begun)


async def latency(count: int, url: str) -> float:
    app = application(url)
    began, at = asyncio.Event(), [0.0]

    @app.task
    async def ping() -> None:
        at[0] = time.perf_counter()
        began.set()

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        work = asyncio.create_task(app.run_worker_async(concurrency=10, install_signal_handlers=False))
        await asyncio.sleep(1)
        found = []
        for _ in range(WARM_UP + min(count, 100)):
            await asyncio.sleep(0.02)
            began.clear()
            asked = time.perf_counter()
            await ping.defer_async()
            await began.wait()
            found.append((at[0] - asked) * 1000)
        work.cancel()
        await asyncio.wait([work], timeout=3)
        found = sorted(found[WARM_UP:])
        return found[len(found) // 2]


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(asyncio.run(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3])), flush=True)
