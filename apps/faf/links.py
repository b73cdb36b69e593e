"""The link of an invitation: the same each time that it is made, and kept by nobody; only its hash is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

VERSION = 1
SHORT = 8


def token(key: str, invitation: Any, version: int = VERSION) -> str:
    mac = hmac.new(key.encode(), f"{invitation}|{version}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def token_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
