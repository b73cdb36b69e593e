"""Sizes of memory as people write them."""

from __future__ import annotations

import re

from rota.errors import ConfigError
from rota.shown import shown

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TEXT = re.compile(r"([0-9]{1,15})\s*([a-z]*)")


def size(given: int | str) -> int:
    """Bytes: a number of them, or text such as ``"500MB"``, ``"2GiB"``; raises ``ConfigError`` for what is none."""
    match = _TEXT.fullmatch(str(given).strip().lower()) if isinstance(given, (int, str)) else None
    if match is None or match[2] not in _UNITS or not int(match[1]):
        raise ConfigError(f"{shown(given)} is no size of memory", hint='Write bytes, or "500MB", "2GiB".')
    return int(match[1]) * _UNITS[match[2]]
