"""Give secrets new values when they are due, without a moment in which an old or a new one does not work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rota.errors import ConfigError, Interrupted, LockUnavailableError, NotFoundError
from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.database import engine_of, reading, table_of, writing
from rota.recipes.gate import check
from rota.recipes.key_ring import KeyRing
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.rows import by_key
from rota.recipes.secret_policy import Policy, SecretAdapter
from rota.recipes.secret_stores import SecretStore, Value
from rota.recipes.secret_versions import TakenError, Version, Versions, versions_of

if TYPE_CHECKING:
    from rota import JobResult, Run

LOCK_SECONDS = 60
_TOLD = ("rotated", "revoked", "manual_required", "failed")


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
        return _Rotation(self, run, force=force or []).perform()

    def supply(self, run: Run, name: str, value: str | Mapping[str, str]) -> JobResult:
        """Rotate a secret to a value that a person has got, as one of kind ``manual``, or the first of any other. A job
        that does so reads it where it is kept: its arguments, which are stored, are no place for it."""
        return _Rotation(self, run, force=[name], given={name: Value(value)}).perform()

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


class ChangedValueError(Exception):
    """A store returns another value than it was given: somebody else has written to it."""


class _Rotation:
    """What one run does. ``given``: values that a person has got; then nothing else is looked at."""

    def __init__(
        self, recipe: RotateSecrets, run: Run, *, force: Sequence[str], given: Mapping[str, Value] | None = None
    ) -> None:
        from rota import JobResult

        self.recipe, self.run, self.store, self.given = recipe, run, recipe.store, given or {}
        self.rows = Versions(recipe.versions, run)
        self.result = JobResult(counts={"checked": 0})
        self.told: dict[str, list[str]] = {name: [] for name in _TOLD}
        self.skipped: dict[str, str] = {}
        with reading(engine_of(recipe.policies)) as connection:
            found = connection.execute(select(recipe.policies).order_by(recipe.policies.c.name)).mappings().all()
        self.policies = [Policy.of(by_key(recipe.policies, row), recipe.adapters) for row in found]
        self.forced = set(force)
        if unknown := sorted(self.forced - {each.name for each in self.policies}):
            names = ", ".join(each.name for each in self.policies)
            raise ConfigError(f"there is no secret {unknown[0]!r}", hint=f"There are {names or 'none'}.")
        if not run.dry_run:
            tables.ready(self.rows.engine)

    def perform(self) -> JobResult:
        units: dict[tuple[str, str], list[Policy]] = {}
        for policy in self.policies:
            units.setdefault((policy.group, "" if policy.group else policy.name), []).append(policy)
        for (group, name), members in units.items():
            if self.given and not any(each.name in self.given for each in members):
                continue
            check(self.run)
            self.result.counts["checked"] += len(members)
            try:
                with self.run.lock(f"secret:{group or name}", ttl=LOCK_SECONDS):
                    self._unit(members)
            except LockUnavailableError:
                self._skip(members, "busy")
        return self._settle()

    def _unit(self, members: Sequence[Policy]) -> None:
        """A secret, or a group of them: what was left is ended; then all of them are rotated, or none."""
        ready = [each for each in members if self._is_ready(each)]
        due = [each for each in ready if self._is_due(each)]
        if not due:
            return
        without = [each for each in ready if each.kind == "manual" and not self._has_value(each)]
        if len(ready) < len(members) or without:
            self._ask(without)
            self._skip([each for each in due if each not in without], "group")
        elif not self._may_overtake(ready):
            self._skip(due, "previous_in_grace")
        elif self.run.dry_run:
            self.told["rotated"] += [each.name for each in ready]
        else:
            self._rotate(ready)

    def _is_ready(self, policy: Policy) -> bool:
        if policy.paused:
            self._skip([policy], "paused")
            return False
        try:
            policy.check()
        except ConfigError as error:
            self._fail(policy, "config", str(error))
            return False
        with self._told_of(policy):
            if not self.run.dry_run:
                self._reconcile(policy)
            self._revoke(policy)
        return policy.name not in {*self.told["failed"], *self.skipped}

    # --- whether it is due

    def _is_due(self, policy: Policy) -> bool:
        """One that was begun is; one without a current version is."""
        if policy.name in self.forced or self._one(policy, "pending"):
            return True
        at = self._due_at(policy)
        if at is not None and policy.kind == "manual" and at > self.run.as_of >= Age.of(self.recipe.warn).before(at):
            self.result.warnings.append(f"{policy.name} is due on {at:%Y-%m-%d}, and a person must get its value")
        return at is None or at <= self.run.as_of

    def _due_at(self, policy: Policy) -> datetime | None:
        current = self._one(policy, "current")
        return None if current is None or current.activated_at is None else current.activated_at + policy.interval

    def _may_overtake(self, members: Sequence[Policy]) -> bool:
        """Whether there is no version before the current one that is good still, or a person will have it so."""
        if any(each.name in self.forced or self._one(each, "pending") for each in members):
            return True
        earlier = [version for each in members for version in self.rows.of(each.name) if version.state == "previous"]
        return not any(each.not_after and each.not_after > self.run.as_of for each in earlier)

    def _has_value(self, policy: Policy) -> bool:
        pending = self._one(policy, "pending")
        return policy.name in self.given or bool(pending and pending.value_ref)

    def _ask(self, members: Sequence[Policy]) -> None:
        """Nobody here can invent the value of these."""
        for policy in members:
            self.told["manual_required"].append(policy.name)
            if not self.run.dry_run:
                self.run.emit("secret.manual_rotation_due", secret=policy.name)
                with writing(self.rows.engine) as connection:
                    name = self.recipe.policies.name
                    tables.record(connection, self.run, "secret.manual_rotation_due", name, target_id=policy.name)

    # --- the new version

    def _rotate(self, members: Sequence[Policy]) -> None:
        prepared = []
        for policy in members:
            with self._told_of(policy):
                prepared.append((policy, self._prepare(policy)))
        if len(prepared) < len(members):
            for policy, version in prepared:
                with self._told_of(policy):
                    self._abandon(policy, version)
            self._skip([policy for policy, _ in prepared], "group")
            return
        try:
            self.rows.promote([(version, policy.grace) for policy, version in prepared])
        except TakenError:
            self._skip(members, "busy")
            return
        for policy, version in prepared:
            self.told["rotated"].append(policy.name)
            with self._told_of(policy):
                self.store.promote(policy.name, version.value_ref or "")

    def _prepare(self, policy: Policy) -> Version:
        """A new version that works, or what an attempt that crashed has left of one."""
        version, given = self._one(policy, "pending"), self.given.get(policy.name)
        if version is not None and version.value_ref and given and given.fingerprint != version.fingerprint:
            self._abandon(policy, version)
            version = None
        version = version or self.rows.begin(policy.name)
        try:
            if version.value_ref is None:
                value = self._value(policy, version)
                version = self.rows.fill(
                    version, self.store.put(policy.name, version.version, value), value.fingerprint
                )
            value = self._kept(version)
            policy.adapter.apply(policy, value)
            self._verify(policy, value)
        except (Interrupted, TakenError):
            raise
        except Exception:
            self._abandon(policy, version)
            raise
        return version

    def _value(self, policy: Policy, version: Version) -> Value:
        if policy.name in self.given:
            return self.given[policy.name]
        return policy.invent() if policy.kind == "generated" else Value(policy.adapter.create(policy, version.kid))

    def _verify(self, policy: Policy, value: Value) -> None:
        """More than once: a provider needs a while until it knows what it has made."""
        for pause in (*(self.recipe.pause * 2**number for number in range(self.recipe.tries - 1)), None):
            try:
                policy.adapter.verify(policy, value)
            except Interrupted:
                raise
            except Exception:
                if pause is None:
                    raise
                self.run.sleep(pause)
            else:
                return

    def _abandon(self, policy: Policy, version: Version) -> None:
        self.rows.end(version, "failed")
        self.run.emit("secret.rotation_failed", secret=policy.name, version=version.version)
        self._destroy(policy)

    # --- what was left

    def _reconcile(self, policy: Policy) -> None:
        """A crash may have come between a promotion and the store's, or before a value was destroyed."""
        if (current := self._one(policy, "current")) and current.value_ref:
            self.store.promote(policy.name, current.value_ref)
        self._destroy(policy)

    def _revoke(self, policy: Policy) -> None:
        """What was current once, and is good no longer."""
        for version in self.rows.of(policy.name):
            if version.state == "previous" and version.not_after and version.not_after <= self.run.as_of:
                if not self.run.dry_run:
                    policy.adapter.revoke(policy, self._kept(version))
                    self.rows.end(version, "revoked")
                self.told["revoked"].append(version.kid)
        if not self.run.dry_run:
            self._destroy(policy)

    def _destroy(self, policy: Policy) -> None:
        """Values that nobody may use any more. Where a rotation failed, the current one is set again first, and a
        provider is told of the one that it made."""
        for version in self.rows.of(policy.name):
            if version.state not in ("failed", "revoked") or not version.value_ref:
                continue
            if version.state == "failed":
                if current := self._one(policy, "current"):
                    policy.adapter.apply(policy, self._kept(current))
                if policy.kind == "provider":
                    with suppress(NotFoundError):  # told already, by an attempt that crashed behind that
                        policy.adapter.revoke(policy, self._kept(version))
            self.store.delete(version.value_ref)
            self.rows.forget(version)

    def _kept(self, version: Version) -> Value:
        value = self.store.get(version.value_ref or "")
        if version.fingerprint not in (None, value.fingerprint):
            raise ChangedValueError
        return value

    # --- what is told

    def _one(self, policy: Policy, state: str) -> Version | None:
        return next((each for each in self.rows.of(policy.name) if each.state == state), None)

    def _skip(self, members: Sequence[Policy], why: str) -> None:
        self.skipped |= {each.name: why for each in members}

    @contextmanager
    def _told_of(self, policy: Policy) -> Iterator[None]:
        """One secret that fails leaves the others their turn. Of what was raised the kind alone is told: its words may
        hold the value."""
        try:
            yield
        except Interrupted:
            raise
        except TakenError:
            self._skip([policy], "busy")
        except Exception as error:  # noqa: BLE001
            self._fail(policy, "secret", type(error).__name__)

    def _fail(self, policy: Policy, kind: str, why: str) -> None:
        self.result.add_error(policy.name, kind, why)
        if policy.name not in self.told["failed"]:
            self.told["failed"].append(policy.name)

    def _settle(self) -> JobResult:
        result = self.result
        dates = {each.name: self._due_at(each) for each in self.policies}
        result.counts |= {name: len(found) for name, found in self.told.items()} | {"skipped": len(self.skipped)}
        result.details |= {**self.told, "skipped": self.skipped}
        result.details["next_due"] = {name: at.isoformat() if at else None for name, at in dates.items()}
        told = [f"{count:,} {name.replace('_', ' ')}" for name, count in result.counts.items() if count]
        result.message = ", ".join(told) or "there are no secrets"
        result.status = "dry_run" if self.run.dry_run else "partial" if self.told["failed"] else "success"
        return result
