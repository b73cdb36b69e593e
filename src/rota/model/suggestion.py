"""What may have been meant by a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 12


def suggestion(name: str, known: Iterable[str]) -> str:
    """A line for the person who mistyped: the nearest name, else the ones there are."""
    from difflib import get_close_matches  # slow to import, and only needed when somebody mistyped

    names = sorted(known)
    close = get_close_matches(name, names, n=1) or [each for each in names if each.endswith(f"/{name}")][:1]
    if close:
        return f"Did you mean {close[0]!r}?"
    if not names:
        return "There are none."
    return f"There are: {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}"
