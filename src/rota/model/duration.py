"""Lengths of time as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from rota.errors import ConfigError
from rota.shown import shown

Duration = timedelta | float | str
"""A ``timedelta``, a number of seconds, or text such as ``"90s"``, ``"15m"``, ``"1h30m"``, ``"7d"``."""

LONGEST = 1_000 * 366 * 86_400.0
"""Seconds. More would lead to moments that no calendar, and in the end no database, can hold."""
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_WHOLE_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")


def seconds(duration: Duration) -> float:
    """The length in seconds; raises ``ConfigError`` for what it cannot read and for negative or endless lengths."""
    length = duration.total_seconds() if isinstance(duration, timedelta) else _read(duration)
    if length < 0:
        raise ConfigError(f"a duration of {shown(duration)} is negative")
    if not length <= LONGEST:  # which is not so for NaN either
        raise ConfigError(f"a duration of {shown(duration)} is longer than a thousand years")
    return length


def _read(duration: float | str) -> float:
    if isinstance(duration, (int, float)):
        return float(duration) if duration <= LONGEST else LONGEST * 2
    text = duration.strip().lower() if isinstance(duration, str) else ""
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text.replace(" ", ""):
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"{shown(duration)} is not a duration", hint='Write seconds, or "90s", "15m", "1h30m", "7d".'
        ) from None


def show_duration(length: float) -> str:
    """Seconds in the two largest units that say something: ``0.25`` is ``250ms``, ``5400`` is ``1h30m``."""
    if 0 < length < 0.9995:
        return f"{length * 1000:.0f}ms" if length >= 0.001 else "<1ms"
    left = round(length)
    parts: list[str] = []
    for unit, size in _WHOLE_UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2]) or "0s"
