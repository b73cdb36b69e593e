"""What may have been meant by a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 12


def suggestion(name: str, known: Iterable[str]) -> str:
    """A line for the person who mistyped: the nearest name, else the ones there are."""
    names = sorted(known)
    close = nearest(name, names) or next((each for each in names if each.endswith(f"/{name}")), None)
    if close:
        return f"Did you mean {close!r}?"
    if not names:
        return "There are none."
    return f"There are: {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # slow to import, and only needed when somebody mistyped

    return next(iter(get_close_matches(name, list(known), n=1)), None)
