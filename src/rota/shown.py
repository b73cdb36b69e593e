"""Values and other people's text inside a message: short, on one line, whatever they hold."""

from __future__ import annotations

MOST_CHARACTERS = 200


def shown(value: object) -> str:
    """A value as an error names it: short, and whatever its ``repr`` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an integer of 10,000 digits raises, and a repr of somebody else's may as well
        return f"a {type(value).__name__}"
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def visible(text: str) -> str:
    """The text on one line, with what could move the cursor, change colours or turn the reading round spelled out."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def counted(count: int, noun: str) -> str:
    """``1 run``, ``3,000 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shortened(text: str, most: int) -> str:
    """A long text by its head, which says what it is about, and its tail, which says how it ended."""
    if len(text) <= most:
        return text
    head = most // 3
    return f"{text[:head]} … ({len(text) - most:,} characters left out) … {text[head - most :]}"
