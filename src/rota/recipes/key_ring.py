"""What is signed with the current key, and read with that and the one before it, as long as that one may be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rota.errors import NotFoundError
from rota.recipes.secret_value import Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a secret by their ids (``kid``), the current one first."""

    keys: dict[str, Value] = field(repr=False)

    @property
    def current(self) -> tuple[str, Value]:
        """The id and the key to sign with, or to encrypt with."""
        return next(iter(self.keys.items()))

    def verify(
        self,
        check: Callable[[Value], T],
        mismatch: type[Exception] | tuple[type[Exception], ...],
        kid: str | None = None,
    ) -> T:
        """What ``check`` returns with the key that ``kid`` names; without one, with the first that does not raise
        ``mismatch``. Whatever else it raises holds of every key, as that a token is too old.

        Raises:
            NotFoundError: no key may be used that has this id.
        """
        if kid is not None:
            if kid not in self.keys:
                raise NotFoundError(f"the key {kid} is not in use", hint="It was revoked, or is of another secret.")
            return check(self.keys[kid])
        *first, last = self.keys.values()
        for key in first:
            try:
                return check(key)
            except mismatch:
                continue
        return check(last)
