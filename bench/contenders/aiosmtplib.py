"""A bare loop with ``aiosmtplib``: the same mails over four connections at once, and no account of them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

from bench.mails import people, sink
from bench.mime import Mails

CONNECTIONS = 4


def campaign(count: int, url: str) -> float:
    with sink() as server:
        begun = time.perf_counter()
        asyncio.run(_send(server.port, people(count)))
        took = time.perf_counter() - begun
        assert len(set(server.ids())) == count
    return count / took


async def _send(port: int, rest: Iterator[dict[str, object]]) -> None:
    from aiosmtplib import SMTP

    mails = Mails()

    async def work() -> None:
        async with SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False) as connection:
            for person in rest:
                await connection.send_message(mails.make(person))

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


if __name__ == "__main__":
    print(globals()[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
