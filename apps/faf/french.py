"""Moments in French, as people write them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

_FIRST_HALF = ("janvier", "février", "mars", "avril", "mai", "juin")
MONTHS = (*_FIRST_HALF, "juillet", "août", "septembre", "octobre", "novembre", "décembre")


def day(moment: datetime, zone: str = "Europe/Paris") -> str:
    """``4 janvier 2027``, ``1er février 2027``."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{'1er' if local.day == 1 else local.day} {MONTHS[local.month - 1]} {local.year}"


def month(text: str) -> str:
    """``2026-11`` is ``novembre 2026``."""
    year, number = text.split("-")
    return f"{MONTHS[int(number) - 1]} {year}"


def of(word: str) -> str:
    """``de novembre``, ``d'avril``."""
    return f"d'{word}" if word[:1].lower() in "aeiouyéèêâîôûœ" else f"de {word}"


def days_left(until: datetime, now: datetime) -> int:
    """Whole days, begun ones too, and never less than none."""
    left = until - now
    return max(0, -(-int(left.total_seconds()) // 86_400))
