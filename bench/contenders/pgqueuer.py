"""pgqueuer over asyncpg: in batches of its default size, and of the size that served it best here."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from datetime import timedelta

import asyncpg
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer

from bench.effects import Effects

DEFAULT_BATCH = 10
WARM_UP = 10


async def runs(count: int, url: str, batch: int = DEFAULT_BATCH) -> float:
    async with asyncpg.create_pool(url, min_size=2, max_size=10) as pool:
        queuer = await _installed(pool)
        await _fill(queuer, count)
        seen, done = [0], asyncio.Event()

        @queuer.entrypoint("noop")
        async def noop(job: Job) -> None:
            seen[0] += 1
            if seen[0] >= count:
                done.set()

        begun = time.perf_counter()
        work = asyncio.create_task(queuer.run(batch_size=batch, dequeue_timeout=timedelta(seconds=1)))
        await done.wait()
        took = time.perf_counter() - begun
        await _stop(queuer, work)
        return count / took


async def effects(count: int, url: str, batch: int = DEFAULT_BATCH) -> float:
    seen = Effects()
    async with asyncpg.create_pool(url, min_size=2, max_size=10) as pool:
        queuer = await _installed(pool)
        await _fill(queuer, count)

        @queuer.entrypoint("noop")
        async def append(job: Job) -> None:
            seen.append()

        work = asyncio.create_task(queuer.run(batch_size=batch, dequeue_timeout=timedelta(seconds=1)))
        rate = await asyncio.to_thread(seen.rate, count)
        await _stop(queuer, work)
        return rate


async def enqueue(count: int, url: str) -> float:
    async with asyncpg.create_pool(url, min_size=2, max_size=10) as pool:
        queuer = await _installed(pool)
        begun = time.perf_counter()
        await _fill(queuer, count)
        return count / (time.perf_counter() - begun)


async def latency(count: int, url: str) -> float:
    async with asyncpg.create_pool(url, min_size=2, max_size=10) as pool:
        queuer = await _installed(pool)
        began, at = asyncio.Event(), [0.0]

        @queuer.entrypoint("ping")
        async def ping(job: Job) -> None:
            at[0] = time.perf_counter()
            began.set()

        work = asyncio.create_task(queuer.run(dequeue_timeout=timedelta(seconds=30)))
        await asyncio.sleep(1)
        found = []
        for _ in range(WARM_UP + min(count, 200)):
            await asyncio.sleep(0.02)
            began.clear()
            asked = time.perf_counter()
            await queuer.qm.queries.enqueue("ping", None)
            await began.wait()
            found.append((at[0] - asked) * 1000)
        await _stop(queuer, work)
        found = sorted(found[WARM_UP:])
        return found[len(found) // 2]


async def _installed(pool: asyncpg.Pool) -> PgQueuer:
    queuer = PgQueuer(AsyncpgPoolDriver(pool))
    await queuer.qm.queries.install()
    return queuer


async def _fill(queuer: PgQueuer, count: int) -> None:
    for start in range(0, count, 5_000):
        some = min(5_000, count - start)
        await queuer.qm.queries.enqueue(["noop"] * some, [b"1"] * some, [0] * some)


async def _stop(queuer: PgQueuer, work: asyncio.Task[None]) -> None:
    queuer.shutdown.set()
    await asyncio.wait([work], timeout=3)
    work.cancel()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(asyncio.run(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))), flush=True)
