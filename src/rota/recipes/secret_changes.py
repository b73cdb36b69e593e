"""What is done to the versions of one secret: a new one that works, and an end for those that nobody may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from rota.errors import Interrupted, NotFoundError
from rota.recipes.age import Age
from rota.recipes.secret_policy import Policy, SecretAdapter
from rota.recipes.secret_stores import SecretStore
from rota.recipes.secret_value import Value
from rota.recipes.secret_versions import TakenError, Version, Versions

if TYPE_CHECKING:
    from rota import Run


class Secrets(Protocol):
    """What a recipe says of secrets: their tables and their store, and how they are made and verified."""

    @property
    def policies(self) -> Any: ...
    @property
    def versions(self) -> Any: ...
    @property
    def store(self) -> SecretStore: ...
    @property
    def adapters(self) -> Mapping[str, SecretAdapter]: ...
    @property
    def warn(self) -> Age | timedelta | str: ...
    @property
    def tries(self) -> int: ...
    @property
    def pause(self) -> float: ...


class ChangedValueError(Exception):
    """A store returns another value than it was given: somebody else has written to it."""


class Changes:
    """``given``: values that a person has got, by the name of the secret."""

    def __init__(self, recipe: Secrets, run: Run, given: Mapping[str, Value]) -> None:
        self.versions = Versions(recipe.versions, run)
        self._recipe, self._run, self._store, self._given = recipe, run, recipe.store, given

    def one(self, policy: Policy, state: str) -> Version | None:
        return next((each for each in self.versions.of(policy.name) if each.state == state), None)

    def prepare(self, policy: Policy) -> Version:
        """A new version that works, or what an attempt that crashed has left of one."""
        version, given = self.one(policy, "pending"), self._given.get(policy.name)
        if version is not None and version.value_ref and given and given.fingerprint != version.fingerprint:
            self.abandon(policy, version)
            version = None
        version = version or self.versions.begin(policy.name)
        try:
            if version.value_ref is None:
                value = self._value(policy, version)
                version = self.versions.fill(
                    version, self._store.put(policy.name, version.version, value), value.fingerprint
                )
            value = self._kept(version)
            policy.adapter.apply(policy, value)
            self._verify(policy, value)
        except (Interrupted, TakenError):
            raise
        except Exception:
            self.abandon(policy, version)
            raise
        return version

    def _value(self, policy: Policy, version: Version) -> Value:
        if policy.name in self._given:
            return self._given[policy.name]
        return policy.invent() if policy.kind == "generated" else Value(policy.adapter.create(policy, version.kid))

    def _verify(self, policy: Policy, value: Value) -> None:
        """More than once: a provider needs a while until it knows what it has made."""
        for pause in (*(self._recipe.pause * 2**number for number in range(self._recipe.tries - 1)), None):
            try:
                policy.adapter.verify(policy, value)
            except Interrupted:
                raise
            except Exception:
                if pause is None:
                    raise
                self._run.sleep(pause)
            else:
                return

    def abandon(self, policy: Policy, version: Version) -> None:
        self.versions.end(version, "failed")
        self._run.emit("secret.rotation_failed", secret=policy.name, version=version.version)
        self._destroy(policy)

    # --- what was left

    def reconcile(self, policy: Policy) -> None:
        """A crash may have come between a promotion and the store's, or before a value was destroyed."""
        if (current := self.one(policy, "current")) and current.value_ref:
            self._store.promote(policy.name, current.value_ref)
        self._destroy(policy)

    def revoke(self, policy: Policy) -> Iterator[str]:
        """What was current once, and is good no longer: its ``kid``, when it is done."""
        for version in self.versions.of(policy.name):
            if version.state == "previous" and version.not_after and version.not_after <= self._run.as_of:
                if not self._run.dry_run:
                    policy.adapter.revoke(policy, self._kept(version))
                    self.versions.end(version, "revoked")
                yield version.kid
        if not self._run.dry_run:
            self._destroy(policy)

    def _destroy(self, policy: Policy) -> None:
        """Values that nobody may use any more. Where a rotation failed, the current one is set again first, and a
        provider is told of the one that it made."""
        for version in self.versions.of(policy.name):
            if version.state not in ("failed", "revoked") or not version.value_ref:
                continue
            if version.state == "failed":
                if current := self.one(policy, "current"):
                    policy.adapter.apply(policy, self._kept(current))
                if policy.kind == "provider":
                    with suppress(NotFoundError):  # told already, by an attempt that crashed behind that
                        policy.adapter.revoke(policy, self._kept(version))
            self._store.delete(version.value_ref)
            self.versions.forget(version)

    def _kept(self, version: Version) -> Value:
        value = self._store.get(version.value_ref or "")
        if version.fingerprint not in (None, value.fingerprint):
            raise ChangedValueError
        return value
