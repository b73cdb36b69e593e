"""Asking a platform politely: spaced out, conditionally where that is possible, and again when it says "later"."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import httpx

from apps.codenotify.errors import PermanentError, TransientError
from apps.codenotify.settings import Endpoint, Settings
from rota.messages.senders.calls import retry_after

T = TypeVar("T")
LATER = {408, 425, 429, 500, 502, 503, 504}
PRODUCT = "CodeNotify/1.0"
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(slots=True)
class Spacing:
    """Keeps requests to one host apart, whichever thread makes them."""

    _free_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, host: str, interval_s: float) -> float:
        """Seconds to wait before the request that is reserved by this call."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._free_at.get(host, now))
            self._free_at[host] = at + interval_s
            return at - now


class Unchanged(Exception):  # noqa: N818 - an answer, not an error
    """304: what the platform would answer is what it answered last time."""


@dataclass(slots=True)
class Http:
    """One operation's way to the platforms: counts its attempts, collects new validators, waits through ``pause``.

    ``validators`` holds, by URL, what the last answer said about its version; None asks unconditionally.
    """

    settings: Settings
    spacing: Spacing
    pause: Callable[[float], None]
    validators: Mapping[str, Mapping[str, str]] | None = None
    attempts: int = 0
    new_validators: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, site: str, path: str, read: Callable[[httpx.Response], T], **headers: str) -> T:
        """GET, read by ``read``. Raises ``Unchanged``, ``TransientError`` after the last try, ``PermanentError``."""
        url = self.settings.endpoints[site].url + path
        validators = (self.validators or {}).get(url, {})
        return self._repeat(site, "GET", url, read, headers=self._headers(headers) | dict(validators))

    def post(self, site: str, path: str, body: Any, read: Callable[[httpx.Response], T], **headers: str) -> T:
        url = self.settings.endpoints[site].url + path
        return self._repeat(site, "POST", url, read, headers=self._headers(headers), json=body)

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"User-Agent": f"{PRODUCT} (+{self.settings.contact})"} | named

    def _repeat(self, site: str, method: str, url: str, read: Callable[[httpx.Response], T], **request: Any) -> T:
        endpoint = self.settings.endpoints[site]
        for delay in (*self.settings.retry_delays_s, None):
            try:
                return self._once(endpoint, method, url, read, **request)
            except TransientError as error:
                if delay is None:
                    raise
                self.pause(self._wait(endpoint, delay, error))
        raise AssertionError("the last try returns or raises")

    def _wait(self, endpoint: Endpoint, delay: float, error: TransientError) -> float:
        jittered = delay * (1 + random.random() * self.settings.retry_jitter)
        quiet = endpoint.quiet_after_429_s if error.kind == "rate_limited" else 0.0
        return max(jittered, quiet, min(error.retry_after or 0.0, self.settings.retry_after_cap_s))

    def _once(
        self, endpoint: Endpoint, method: str, url: str, read: Callable[[httpx.Response], T], **request: Any
    ) -> T:
        host = httpx.URL(url).netloc.decode()
        if wait := self.spacing.reserve(host, endpoint.min_interval_s):
            self.pause(wait)
        self.attempts += 1
        try:
            response = asyncio.run(_answer(method, url, endpoint.timeout_s, **request))
        except (httpx.TimeoutException, TimeoutError) as error:
            raise TransientError("timeout", f"no answer within {endpoint.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise TransientError("connection", type(error).__name__) from error
        _raise_for_status(response)
        answer = read(response)
        self._remember(url, response)
        return answer

    def _remember(self, url: str, response: httpx.Response) -> None:
        names = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        found = {ask: response.headers[told] for told, ask in names.items() if told in response.headers}
        self.new_validators[url] = found


@cache
def _trusted() -> ssl.SSLContext:
    """Of all requests: to read the certificates takes 20 ms."""
    return httpx.create_ssl_context()


async def _answer(method: str, url: str, seconds: float, **request: Any) -> httpx.Response:
    """The whole of it within so many seconds: ``httpx`` alone bounds each read, and a site that drips would hold a
    thread for ever."""
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(verify=_trusted(), follow_redirects=True, timeout=seconds) as client,
    ):
        return await client.request(method, url, **request)


def _raise_for_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.NOT_MODIFIED:
        raise Unchanged
    if status in LATER:
        kind = "rate_limited" if status == httpx.codes.TOO_MANY_REQUESTS else f"http_{status}"
        raise TransientError(kind, f"HTTP {status}", retry_after=retry_after(response.headers))
    if status == httpx.codes.FORBIDDEN:
        raise PermanentError("forbidden", "HTTP 403: the site refuses this client", opens_breaker=True)
    if status >= 300 and status != httpx.codes.BAD_REQUEST:  # a platform may explain a 400 in its body
        raise PermanentError(f"http_{status}", f"HTTP {status}")


def read_json(response: httpx.Response) -> Any:
    """The body as JSON. A page instead of it is how sites show maintenance, so that is worth another try."""
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise PermanentError("http_400", "HTTP 400") from error
        kind = response.headers.get("Content-Type", "no content type")
        raise TransientError("not_json", f"expected JSON, got {kind}") from error
