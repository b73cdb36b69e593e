"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from rota.errors import ConfigError

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?b|b|)")


def size_in_bytes(size: int | str) -> int:
    """Read ``300_000_000``, ``"300MB"``, ``"1.5 GiB"``; raises ``ConfigError`` for what it cannot read."""
    if isinstance(size, int):
        return size
    match = _TEXT.fullmatch(size.strip().lower())
    if match is None:
        raise ConfigError(f"{size!r} is no size", hint='Write bytes, or "300MB", "1.5GB".')
    return int(float(match[1]) * _UNITS[match[2]])


def show_size(size: int) -> str:
    """In the largest unit that says something: ``314572800`` is ``315 MB``."""
    for unit, count in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= count:
            return f"{size / count:.3g} {unit}"
    return f"{size} B"
