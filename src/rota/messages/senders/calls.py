"""HTTP calls that end within their time as a whole, whatever the other side does: ``httpx`` bounds each read alone, so
a server that drips would hold a thread for ever. An event loop of its own can be told to give up at any moment."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import NamedTuple

import httpx

from rota.messages.outcome import Later, Outcome, Refused, Unsure

_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_REST = 86_400.0
_LATER = {425, 429, 503}
_UNSURE = {408, 500, 502, 504}
_ABOUT_US = {401, 403, 404, 405, 407, 410}
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log addresses, which may hold tokens


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Calls:
    """Kept connections to one place; ``connections`` at a time."""

    def __init__(self, timeout: float, connections: int) -> None:
        self._timeout, self._connections = timeout, connections
        self._lock = threading.Lock()
        self._owner = 0
        self._busy = 0

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer | Outcome:
        """The answer, whatever it says; an outcome where there is none."""
        loop = self._begin()
        try:
            return asyncio.run_coroutine_threadsafe(self._post(url, body, headers), loop).result()
        finally:
            with self._lock:
                self._busy -= 1

    def rest(self) -> None:
        """Unless another run is at it."""
        with self._lock:
            if self._owner != os.getpid() or self._busy:
                return
            self._owner = 0
            asyncio.run_coroutine_threadsafe(self._client.aclose(), self._running).result()
            self._running.call_soon_threadsafe(self._running.stop)
            self._thread.join()
            self._running.close()

    def _begin(self) -> asyncio.AbstractEventLoop:
        """The loop is made when first needed, and again in a child of a fork."""
        with self._lock:
            if self._owner != os.getpid():
                self._running = asyncio.new_event_loop()
                limits = httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections)
                self._client = httpx.AsyncClient(timeout=self._timeout, limits=limits)
                self._thread = threading.Thread(target=self._running.run_forever, name="rota-http", daemon=True)
                self._thread.start()
                self._owner, self._busy = os.getpid(), 0
            self._busy += 1
            return self._running

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer | Outcome:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(url, body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Later(f"connection:{type(error).__name__}", down=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            return Refused(f"impossible:{type(error).__name__}")
        except (httpx.HTTPError, TimeoutError, OSError, ValueError) as error:
            return Unsure(f"connection:{type(error).__name__}")

    async def _ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        told = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
        async with self._client.stream("POST", url, content=body, headers=told) as response:
            read = bytearray()
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) > _MOST_BYTES:
                    break
            return Answer(response.status_code, response.headers, bytes(read))


def refusal(answer: Answer) -> Outcome | None:
    """What a status says of the whole request; None: it was taken."""
    status, name = answer.status, f"http_{answer.status}"
    if 200 <= status < 300:
        return None
    if status in _UNSURE:  # whoever stands before the provider may say so after the provider has taken it
        return Unsure(name)
    if status == 409:  # the same call is being done at this moment
        return Later(name)
    if status in _LATER or status in _ABOUT_US or status < 400 or status > 500:
        return Later(name, down=True, retry_after=retry_after(answer.headers))
    return Refused(name)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a ``Retry-After``, given as seconds or as a date; None if there is none to understand."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_REST)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - time()), _LONGEST_REST)
    except (ValueError, OverflowError):
        return None
