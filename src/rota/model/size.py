"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from rota.errors import ConfigError
from rota.shown import shown

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TEXT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([a-z]*)")


def size_in_bytes(size: int | str) -> int:
    """Read ``300_000_000``, ``"300MB"``, ``"1.5 GiB"``; raises ``ConfigError`` for what is no size, or nothing."""
    match = _TEXT.fullmatch(str(size).strip().lower()) if isinstance(size, (int, str)) else None
    found = int(float(match[1]) * _UNITS[match[2]]) if match is not None and match[2] in _UNITS else 0
    if not found:
        raise ConfigError(f"{shown(size)} is no size of memory", hint='Write bytes, or "500MB", "1.5GB".')
    return found


def show_size(size: int) -> str:
    """In the largest unit that says something: ``314572800`` is ``315 MB``."""
    for unit, count in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= count:
            return f"{size / count:.3g} {unit}"
    return f"{size} B"
