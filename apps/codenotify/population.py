"""One made-up person: what they chose, when they were last here, and what that means for the jobs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from apps.codenotify.contest import PLATFORMS, Contest

T = TypeVar("T")
FIRST = (
    "Ada",
    "Bela",
    "Chidi",
    "Dana",
    "Emre",
    "Farah",
    "Goran",
    "Hana",
    "Imani",
    "Jun",
    "Kofi",
    "Lena",
    "Mei",
    "Noor",
)
LAST = ("Abara", "Brandt", "Costa", "Dvorak", "Egger", "Fontaine", "Gupta", "Haddad", "Ito", "Jansen", "Kaya", "Lind")
ZONES = ("UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York", "Asia/Tokyo", "America/Sao_Paulo")
HOURS = {1: 8, 6: 15, 24: 55, 48: 14, 168: 8}
FREQUENCIES = {"immediate": 80, "daily": 14, "weekly": 6}
SHARES = {"email": 0.90, "whatsapp": 0.35, "push": 0.25}
NO_CHANNEL, UNVERIFIED, INACTIVE, LONG_GONE, ADMIN, WITH_TOKEN, WITH_TYPES = 0.03, 0.06, 0.05, 0.02, 0.01, 0.3, 0.05
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Person:
    """A row of ``users``, and what it was made to be."""

    columns: dict[str, Any]
    to_be_deactivated: bool
    token_expired: bool

    @property
    def listens(self) -> bool:
        return bool(self.columns["is_active"] and self.columns["is_email_verified"])

    @property
    def reachable_on(self) -> list[str]:
        return [name for name, on in self.columns["channels"].items() if on]

    def follows(self, contest: Contest) -> bool:
        types = self.columns["contest_types"]
        return contest.platform in self.columns["platforms"] and (not types or contest.type in types)


def pick(chance: random.Random, shares: Mapping[T, float]) -> T:
    return chance.choices(list(shares), weights=list(shares.values()))[0]


def make_person(chance: random.Random, number: int, as_of: datetime) -> Person:
    first, last = chance.choice(FIRST), chance.choice(LAST)
    silent = chance.random() < NO_CHANNEL
    channels = {name: chance.random() < share and not silent for name, share in SHARES.items()}
    gone, active, admin = chance.random() < LONG_GONE, chance.random() >= INACTIVE, chance.random() < ADMIN
    last_login = as_of - timedelta(minutes=chance.randint(*((190 * 1440, 400 * 1440) if gone else (1, 170 * 1440))))
    token = _token(chance, as_of)
    columns = {
        "id": number,
        "email": f"{first}.{last}.{number}@example.test".lower(),
        "name": f"{first} {last}",
        "phone": f"+447700900{chance.randint(0, 999):03}",
        "role": "admin" if admin else "user",
        "is_active": active,
        "is_email_verified": chance.random() >= UNVERIFIED,
        "last_login_at": last_login,
        "last_active_at": None,
        "refresh_token_hash": f"{chance.getrandbits(128):032x}" if token else None,
        "refresh_token_expires_at": token,
        "discord_id": None,
        "telegram_chat_id": None,
        "push_token": f"{chance.getrandbits(96):024x}",
        "platforms": sorted(chance.sample(PLATFORMS, chance.randint(1, 4))),
        "contest_types": ["CF", "WEEKLY", "ABC"] if chance.random() < WITH_TYPES else [],
        "alert_frequency": pick(chance, FREQUENCIES),
        "channels": channels,
        "notify_before_hours": pick(chance, HOURS),
        "time_zone": chance.choice(ZONES),
        "created_at": last_login - DAY * chance.randint(1, 900),
        "deactivated_at": None if active else last_login,
        "deactivation_reason": None if active else "asked",
    }
    return Person(columns, gone and active and not admin, token is not None and token < as_of)


def _token(chance: random.Random, as_of: datetime) -> datetime | None:
    if chance.random() >= WITH_TOKEN:
        return None
    return as_of + timedelta(minutes=chance.randint(-10 * 1440, 7 * 1440) or 1)
