"""The value of a secret, which no log and no traceback shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


class Value:
    """What is secret. It shows itself to nobody but who asks for it: ``reveal()``, or ``fields()`` of a pair."""

    __slots__ = ("_text",)

    def __init__(self, value: str | Mapping[str, str]) -> None:
        self._text = value if isinstance(value, str) else json.dumps(dict(value))

    def reveal(self) -> str:
        return self._text

    def fields(self) -> dict[str, str]:
        """Of a value that was given as a mapping, as the id of a key and the key."""
        return dict(json.loads(self._text))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self._text.encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return "Value(…)"

    def __reduce__(self) -> Any:
        raise TypeError("a secret value is not to be pickled")
