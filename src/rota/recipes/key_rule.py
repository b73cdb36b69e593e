"""Which keys of a server are of one kind, how long they live, and what their values say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from rota.errors import ConfigError
from rota.recipes.age import Age

Fields = Mapping[str, Any]
ENDS = ("exp", "expires_at", "expiresAt")
BEGAN = ("created_at", "createdAt", "iat")
_MILLISECONDS_FROM = 1e11
"""As seconds it would be the year 5138: so great a number counts milliseconds."""


def as_text(value: bytes | str) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def fields_of(value: Any) -> Fields | None:
    """The fields of a hash, or those of the JSON object that a text is; ``None`` where it is neither."""
    if isinstance(value, Mapping):
        return {as_text(name): as_text(each) for name, each in value.items()}
    try:
        found = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class _Pattern:
    """What keys of one database look like; ``*``, ``?`` and ``[ab]`` as the server has them."""

    pattern: str
    db: int

    def has(self, key: str) -> bool:
        return fnmatchcase(key, self.pattern.replace("[^", "[!"))

    def _check(self) -> None:
        if "\\" in self.pattern:
            raise ConfigError(
                f"{self.pattern!r} has a backslash", hint="Write [*] for a star that is meant as it stands."
            )


@dataclass(frozen=True)
class KeyRule(_Pattern):
    """Keys of one kind. A key belongs to the first rule whose pattern it matches, and to no other.

    ``lifetime`` is how long such a key lives. One without an end gets that of its value: ``exp`` or ``expires_at``, or
    ``keep`` after its lifetime since ``created_at``, whichever is first. Moments are seconds, milliseconds or ISO 8601.
    ``read`` makes fields of a value (see ``fields_of``). ``owner`` says whose a key is, by its name and its fields.
    """

    pattern: str
    _: KW_ONLY
    lifetime: timedelta | str
    db: int = 0
    keep: timedelta | str = "7d"
    read: Callable[[Any], Fields | None] = fields_of
    owner: Callable[[str, Fields], object] | None = None

    def __post_init__(self) -> None:
        self._check()
        for given in (self.lifetime, self.keep):
            if Age.of(given).months:
                raise ConfigError(f"{given!r} has months, which differ", hint='Write it in days: "30d".')

    @property
    def length(self) -> timedelta:
        return Age.of(self.lifetime).length

    def ends_at(self, fields: Fields | None) -> datetime | None:
        """``None`` where the value does not say."""
        if fields is None:
            return None
        said, began = _first(fields, ENDS), _first(fields, BEGAN)
        with suppress(OverflowError):
            kept = None if began is None else began + self.length + Age.of(self.keep).length
            return min((each for each in (said, kept) if each is not None), default=None)
        return said


@dataclass(frozen=True)
class KeyIndex(_Pattern):
    """Sets that hold the names of other keys of the same database, with ``prefix`` before each."""

    pattern: str
    _: KW_ONLY
    db: int = 0
    prefix: str = ""

    def __post_init__(self) -> None:
        self._check()


def _first(fields: Fields, names: tuple[str, ...]) -> datetime | None:
    return next((found for name in names if (found := _moment(fields.get(name))) is not None), None)


def _moment(value: object) -> datetime | None:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    try:
        if number is not None:
            return datetime.fromtimestamp(number / (1_000 if number >= _MILLISECONDS_FROM else 1), UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
    except (ValueError, OverflowError, OSError):
        return None
