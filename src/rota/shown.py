"""Values inside a message: short, and whatever their own ``repr`` does."""

from __future__ import annotations

MOST_CHARACTERS = 200


def shown(value: object) -> str:
    """A value as an error names it: short, and whatever its ``repr`` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an integer of 10,000 digits raises, and a repr of somebody else's may as well
        return f"a {type(value).__name__}"
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
