"""One run over all secrets: which are due, which may be rotated together or by themselves, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from rota.errors import ConfigError, Interrupted, LockUnavailableError
from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.approval import check
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.rows import by_key
from rota.recipes.secret_changes import Changes, Secrets
from rota.recipes.secret_policy import Policy
from rota.recipes.secret_value import Value
from rota.recipes.secret_versions import TakenError

if TYPE_CHECKING:
    from rota import JobResult, Run

LOCK_SECONDS = 60
_TOLD = ("rotated", "revoked", "manual_required", "failed")


class Rotation:
    """What one run does. ``given``: values that a person has got; then nothing else is looked at."""

    def __init__(
        self, recipe: Secrets, run: Run, *, force: Sequence[str], given: Mapping[str, Value] | None = None
    ) -> None:
        from rota import JobResult

        self.recipe, self.run, self.given = recipe, run, given or {}
        self.changes = Changes(recipe, run, self.given)
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
            tables.ready(self.changes.versions.engine)

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
                self.changes.reconcile(policy)
            self.told["revoked"].extend(self.changes.revoke(policy))
        return policy.name not in {*self.told["failed"], *self.skipped}

    # --- whether it is due

    def _is_due(self, policy: Policy) -> bool:
        """One that was begun is; one without a current version is."""
        if policy.name in self.forced or self.changes.one(policy, "pending"):
            return True
        at = self._due_at(policy)
        if at is not None and policy.kind == "manual" and at > self.run.as_of >= Age.of(self.recipe.warn).before(at):
            self.result.warnings.append(f"{policy.name} is due on {at:%Y-%m-%d}, and a person must get its value")
        return at is None or at <= self.run.as_of

    def _due_at(self, policy: Policy) -> datetime | None:
        current = self.changes.one(policy, "current")
        return None if current is None or current.activated_at is None else current.activated_at + policy.interval

    def _may_overtake(self, members: Sequence[Policy]) -> bool:
        """Whether there is no version before the current one that is good still, or a person will have it so."""
        if any(each.name in self.forced or self.changes.one(each, "pending") for each in members):
            return True
        earlier = [
            version
            for each in members
            for version in self.changes.versions.of(each.name)
            if version.state == "previous"
        ]
        return not any(each.not_after and each.not_after > self.run.as_of for each in earlier)

    def _has_value(self, policy: Policy) -> bool:
        pending = self.changes.one(policy, "pending")
        return policy.name in self.given or bool(pending and pending.value_ref)

    def _ask(self, members: Sequence[Policy]) -> None:
        """Nobody here can invent the value of these."""
        for policy in members:
            self.told["manual_required"].append(policy.name)
            if not self.run.dry_run:
                self.run.emit("secret.manual_rotation_due", secret=policy.name)
                with writing(self.changes.versions.engine) as connection:
                    name = self.recipe.policies.name
                    tables.record(connection, self.run, "secret.manual_rotation_due", name, target_id=policy.name)

    # --- the new version

    def _rotate(self, members: Sequence[Policy]) -> None:
        prepared = []
        for policy in members:
            with self._told_of(policy):
                prepared.append((policy, self.changes.prepare(policy)))
        if len(prepared) < len(members):
            for policy, version in prepared:
                with self._told_of(policy):
                    self.changes.abandon(policy, version)
            self._skip([policy for policy, _ in prepared], "group")
            return
        try:
            self.changes.versions.promote([(version, policy.grace) for policy, version in prepared])
        except TakenError:
            self._skip(members, "busy")
            return
        for policy, version in prepared:
            self.told["rotated"].append(policy.name)
            with self._told_of(policy):
                self.recipe.store.promote(policy.name, version.value_ref or "")

    # --- what is told

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
