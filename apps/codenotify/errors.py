"""What can go wrong outside: what to try again, and what not.

OutsideError
├── TransientError    a time-out, a lost connection, an answer that says "later"
└── PermanentError    this item will never go through
"""

from __future__ import annotations


def words(text: object) -> str:
    """A line that any database and any terminal takes, of whatever somebody else has said."""
    line = str(text)[:300].encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else " " for char in line)


class OutsideError(Exception):
    """A call to another service failed; ``kind`` is one word for counts and reports, without personal data."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(words(message or kind))
        self.kind = kind


class TransientError(OutsideError):
    """It may go through later; ``retry_after`` is what the other side asked for, in seconds."""

    def __init__(self, kind: str, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(kind, message)
        self.retry_after = retry_after


class PermanentError(OutsideError):
    """It will never go through; ``opens_breaker`` when the whole service refuses us, and not this item alone."""

    def __init__(self, kind: str, message: str = "", *, opens_breaker: bool = False) -> None:
        super().__init__(kind, message)
        self.opens_breaker = opens_breaker
