"""What a platform answered, read item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from apps.codenotify.adapters.http import Http
from apps.codenotify.contest import Contest
from apps.codenotify.errors import PermanentError, words

MOST = 2**32


class Skip(Exception):  # noqa: N818 - not an error: an item that is left out on purpose
    """Raised by a reader for an item that is understood, and not wanted; the message is the reason counted."""


@dataclass(slots=True)
class Fetched:
    """``complete``: every upcoming contest of the platform was in the answer, so a missing one is missing.
    ``unchanged``: the platform says that its list is as it was."""

    contests: list[Contest] = field(default_factory=list)
    complete: bool = False
    unchanged: bool = False
    raw_count: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def read(self, items: Iterable[Any], reader: Callable[[Any], Contest], name: Callable[[Any], object]) -> None:
        """Adds each item that ``reader`` can read. If more than half cannot be read, the format has changed: better
        no contests than a fragment of them, so the whole answer is refused (``PermanentError``)."""
        items = list(items)
        readable, invalid = [], []
        for item in items:
            try:
                readable.append(reader(item))
            except Skip as reason:
                self.skipped[str(reason)] += 1
            except Exception as error:  # noqa: BLE001 - whatever is in an item leaves the others
                invalid.append(words(f"{_named(name, item)}: {type(error).__name__} {error}")[:200])
        self.raw_count += len(items)
        if invalid:
            self._refuse_or_warn(invalid, len(items))
        self.contests += readable

    def _refuse_or_warn(self, invalid: list[str], total: int) -> None:
        if len(invalid) * 2 > total:
            raise PermanentError("schema", f"{len(invalid)} of {total} items cannot be read; first: {invalid[0]}")
        self.skipped["invalid"] += len(invalid)
        self.warnings += [f"cannot read {line}" for line in invalid[:5]]
        self.complete = False  # one of those that are missing may be one that we could not read


def _named(name: Callable[[Any], object], item: Any) -> str:
    try:
        return str(name(item))
    except Exception:  # noqa: BLE001 - it is only for the report
        return "an item without an id"


class Fetch(Protocol):
    def __call__(self, http: Http, since: datetime, /) -> Fetched:
        """The platform's contests; those that ended before ``since`` may be left out.

        Raises ``OutsideError``.
        """
        ...


def text(value: Any) -> str:
    """A string that is not empty; anything else is a schema error, and so is what no database keeps."""
    if not isinstance(value, str) or not value.strip() or not _is_kept(value):
        raise ValueError(f"expected text, got {value!r:.40}")
    return value.strip()


def whole(value: Any, low: int = 0) -> int:
    """A whole number from ``low`` up to what a column holds; digits in a string count, a boolean does not."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"expected a whole number, got {value!r:.40}")
    if not low <= int(value) <= MOST:
        raise ValueError(f"expected {low} to {MOST}, got {value!s:.40}")
    return int(value)


def extras(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What is kept beside the facts: the values of ``names`` that are there, and that any database can keep."""
    return {name: row[name] for name in names if name in row and _storable(row[name])}


def _storable(value: Any) -> bool:
    return value is None or isinstance(value, bool | int) or (isinstance(value, str) and _is_kept(value))


def _is_kept(value: str) -> bool:
    """A NUL and half a surrogate pair are text to JSON, and to no database."""
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)
