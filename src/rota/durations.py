"""Durations as people write them: `90`, `"90s"`, `"15m"`, `"1h30m"`, `"1d"`."""

from __future__ import annotations

import math
import re
from datetime import timedelta

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def parse_duration(given: object) -> float:
    """Seconds of a number, a timedelta or a text like ``"1h30m"`` (ms, s, m, h, d, w; bare: seconds).

    Raises ``ValueError`` for anything else, and for what is negative or endless.
    """
    match given:
        case timedelta():
            seconds = given.total_seconds()
        case str():
            seconds = _read(given.strip().lower())
        case int() | float() if not isinstance(given, bool):
            seconds = float(given)
        case _:
            seconds = math.nan
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    raise ValueError(f'{given!r} is not a duration; write seconds, or as in "90s", "15m", "1h30m", "1d"')


def format_duration(seconds: float) -> str:
    """The same in the two largest units that say something: ``0.25`` is ``250ms``, ``5400`` is ``1h30m``."""
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    left = round(seconds)
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2]) or "0s"


def _read(text: str) -> float:
    if _WHOLE.fullmatch(text):
        return sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
    try:
        return float(text)
    except ValueError:
        return math.nan
