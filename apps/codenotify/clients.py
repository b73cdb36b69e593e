"""HTTP clients: they share one store of trusted certificates, which takes 20 ms to read."""

from __future__ import annotations

import logging
import ssl
from functools import cache
from typing import Any

import httpx

# It would log every address that it asks, and a webhook's address may hold a token.
logging.getLogger("httpx").setLevel(logging.WARNING)


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def http_client(**options: Any) -> httpx.Client:
    """An ``httpx.Client`` with these options."""
    return httpx.Client(verify=_trusted(), **options)
