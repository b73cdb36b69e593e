"""What is to become of a secret, and what it takes beside its value."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import log2
from typing import Any

from rota.errors import ConfigError
from rota.recipes.secret_value import Value

HOUR = timedelta(hours=1)
LEAST_BYTES, LEAST_BITS = 32, 128


class SecretAdapter:
    """How a secret gets to those who use it. Each method may be called again after a crash, and must bear it.

    ``lifetime``: of the longest-lived thing that is signed with it, which must be read still after a rotation.
    """

    lifetime: timedelta | None = None

    def create(self, policy: Policy, token: str) -> str | Mapping[str, str]:  # noqa: ARG002 - for those that make them
        """A new value, of those that a provider makes. ``token`` is the same for the same version: with it, find again
        what an attempt that crashed has left there."""
        raise ConfigError(f"the adapter of {policy.name} makes no values", hint="Give it a method create().")

    def apply(self, policy: Policy, value: Value) -> None:
        """Set it where it is used. After a rotation that failed it is called with the current value."""

    def verify(self, policy: Policy, value: Value) -> None:
        """Sign and verify, log in, ping: raises where that fails."""

    def revoke(self, policy: Policy, value: Value) -> None:
        """Make an earlier value useless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A row of the policies, with its adapter."""

    name: str
    kind: str
    interval: timedelta
    grace: timedelta
    group: str
    length: int | None
    alphabet: str | None
    provider: str | None
    consumers: Any
    paused: bool
    adapter: SecretAdapter

    @classmethod
    def of(cls, row: Mapping[Any, Any], adapters: Mapping[str, SecretAdapter]) -> Policy:
        """Its adapter is that of its name, its provider or its kind, whichever is found first."""
        found = (adapters[key] for key in (row["name"], row["provider"], row["kind"]) if key in adapters)
        adapter = next(found, SecretAdapter())
        grace = timedelta(seconds=row["grace_seconds"])
        return cls(
            name=row["name"],
            kind=row["kind"],
            interval=timedelta(days=row["interval_days"]),
            grace=grace if adapter.lifetime is None else max(grace, adapter.lifetime + HOUR),
            group=row["group_name"] or "",
            length=row["length"],
            alphabet=row["alphabet"],
            provider=row["provider"],
            consumers=row["consumers"],
            paused=bool(row["paused"]),
            adapter=adapter,
        )

    def check(self) -> None:
        """Raises ``ConfigError`` for a policy that cannot be kept to."""
        if self.kind not in ("generated", "provider", "manual"):
            raise ConfigError(f"there is no kind {self.kind!r}: generated, provider or manual")
        if self.interval < self.grace:
            raise ConfigError(f"its interval of {self.interval} is shorter than its grace of {self.grace}")
        if self.kind == "provider" and type(self.adapter).create is SecretAdapter.create:
            raise ConfigError("no adapter makes its values")
        if self.alphabet and self._bits < LEAST_BITS:
            raise ConfigError(f"{self._bits:.0f} bits can be guessed: give it {LEAST_BITS}, by length or alphabet")

    def invent(self) -> Value:
        if self.alphabet:
            return Value("".join(secrets.choice(self.alphabet) for _ in range(self.length or LEAST_BYTES)))
        return Value(secrets.token_urlsafe(max(LEAST_BYTES, self.length or 0)))

    @property
    def _bits(self) -> float:
        return (self.length or LEAST_BYTES) * log2(len(set(self.alphabet or " ")))
