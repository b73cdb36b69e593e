"""Give secrets new values when they are due, without a moment in which an old or a new one does not work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rota.errors import NotFoundError
from rota.recipes.age import Age
from rota.recipes.database import table_of
from rota.recipes.key_ring import KeyRing
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.rotation import Rotation
from rota.recipes.secret_policy import SecretAdapter
from rota.recipes.secret_stores import SecretStore
from rota.recipes.secret_value import Value
from rota.recipes.secret_versions import versions_of

if TYPE_CHECKING:
    from rota import JobResult, Run


@dataclass(frozen=True, eq=False)
class RotateSecrets(Recipe):
    """For tables as ``secret_tables`` makes them. A secret is due ``interval_days`` after its current version was
    promoted, or where it has none. A new version is created, applied and verified by its adapter, and then promoted in
    one transaction; the one before it is good for its grace, and then revoked and destroyed. Members of a group do that
    together or not at all.

    ``adapters`` are found by a secret's name, provider or kind. Values are in ``store`` alone.
    """

    policies: Any
    versions: Any
    store: SecretStore
    _: KW_ONLY
    adapters: Mapping[str, SecretAdapter] = field(default_factory=dict)
    warn: Age | timedelta | str = "7d"
    tries: int = 3
    pause: float = 1.0
    """Seconds between the first two tries to verify; each later pause is twice as long."""
    destructive = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "policies", table_of(self.policies))
        object.__setattr__(self, "versions", table_of(self.versions))
        object.__setattr__(self, "warn", Age.of(self.warn))

    @property
    def description(self) -> str:
        """``Rotate the secrets of secret_policies.``"""
        return f"Rotate the secrets of {self.policies.name}."

    def __call__(self, run: Run, plan: str | None = None, force: list[str] | None = None) -> JobResult:
        """``force``: names of secrets that are due whatever their dates say."""
        without_plan(plan)
        return Rotation(self, run, force=force or []).perform()

    def supply(self, run: Run, name: str, value: str | Mapping[str, str]) -> JobResult:
        """Rotate a secret to a value that a person has got, as one of kind ``manual``, or the first of any other. A job
        that does so reads it where it is kept: its arguments, which are stored, are no place for it."""
        return Rotation(self, run, force=[name], given={name: Value(value)}).perform()

    def ring(self, name: str, now: datetime | None = None) -> KeyRing:
        """The versions that may be used now, the current one first. Raises ``NotFoundError`` where there is none."""
        moment = now or datetime.now(UTC)
        good = [
            each for each in versions_of(self.versions, name)
            if each.state == "current" or (each.state == "previous" and each.not_after and each.not_after > moment)
        ]  # fmt: skip
        good.sort(key=lambda each: each.state)
        if not good or good[0].state != "current":
            raise NotFoundError(f"{name} has no current version", hint="Run the rotation: it makes the first one.")
        return KeyRing({each.kid: self.store.get(each.value_ref or "") for each in good})
