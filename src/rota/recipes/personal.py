"""What is personal in free-form data: keys whose values go, wherever they stand."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_NAMES = "name firstname lastname fullname displayname username dateofbirth birthdate avatar avatarurl"
_REACHED_AT = "email mail emailaddress toemail phone phonenumber mobile tel address street city postcode zip"
_TECHNICAL = "ip ipaddress useragent walletaddress discordid telegramchatid"
PERSONAL_KEYS = frozenset(f"{_NAMES} {_REACHED_AT} {_TECHNICAL}".split())
PATTERNS = (
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(r"\b(?:[0-9a-f]{1,4}:){2,7}[0-9a-f]{1,4}\b", re.IGNORECASE),
    re.compile(r"(?<![\w-])\+?\d[\d ()/-]{7,}\d\b"),
)
"""Addresses of mail, of the fourth and sixth version of the internet protocol, telephone numbers."""
REMOVED = "[removed]"


def plain_key(key: str) -> str:
    """Lower-case, letters and digits alone: ``E.mail``, ``e_mail`` and ``eMail`` are one key."""
    return "".join(each for each in key.lower() if each.isalnum())


def pseudonym(key: bytes, value: object) -> str:
    """The same for the same value, and for nobody without the key to be traced back."""
    return hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:16]


@dataclass(slots=True)
class Scrub:
    """Removes personal keys from JSON data, at any depth; ``removed`` counts them. A text that is JSON is read first.

    ``spare``: paths such as ``"contest.city"`` that stay. ``patterns``: also look into texts for what looks personal.
    """

    keys: Iterable[str] = PERSONAL_KEYS
    spare: frozenset[str] = frozenset()
    patterns: bool = False
    removed: Counter[str] = field(default_factory=Counter)
    unparsable: int = 0
    _plain: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._plain = frozenset(plain_key(key) for key in self.keys)

    def __call__(self, value: Any) -> Any:
        """What is left; ``None`` for what is no object."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                self.unparsable += 1
                return None
        return self._clean(value, "") if isinstance(value, dict) else None

    def _clean(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {
                key: self._clean(each, f"{path}.{key}".lstrip("."))
                for key, each in value.items()
                if self._stays(key, path)
            }
        if isinstance(value, list):
            return [self._clean(each, path) for each in value]
        return self._text(value, path) if isinstance(value, str) else value

    def _stays(self, key: str, path: str) -> bool:
        if plain_key(key) not in self._plain or f"{path}.{key}".lstrip(".") in self.spare:
            return True
        self.removed[key] += 1
        return False

    def _text(self, text: str, path: str) -> str:
        if text[:1] in "{[":
            try:
                return json.dumps(self._clean(json.loads(text), path), ensure_ascii=False)
            except ValueError:
                pass
        for pattern in PATTERNS if self.patterns else ():
            text = pattern.sub(REMOVED, text)
        return text
