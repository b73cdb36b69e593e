"""Arguments that are secret by their names: stored as they are, and masked wherever they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
WORDS = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "api_key", "apikey", "access_key", "private_key",
    "authorization", "credential", "cookie", "session_id",
)  # fmt: skip
"""A name that has one of these in it, whatever its case and marks, names a secret."""


def masked(value: Any, more: Iterable[str] = ()) -> Any:
    """The value with each secret in it, at any depth, masked; ``more``: words beside ``WORDS``."""
    return _masked(value, [_folded(word) for word in (*WORDS, *more)])


def _masked(value: Any, words: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK if item is not None and _names_a_secret(name, words) else _masked(item, words)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(item, words) for item in value]
    return value


def _names_a_secret(name: object, words: list[str]) -> bool:
    folded = _folded(str(name))
    return any(word in folded for word in words)


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
