"""Forget people who asked for it: each in one transaction, with the account of what went, what stays, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Connection

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.database import table_of
from rota.recipes.erasure_ledger import missing_columns
from rota.recipes.erasure_plan import Mode, Step, Subject
from rota.recipes.forgetting import Forgetting
from rota.recipes.personal import pseudonym
from rota.recipes.recipe import Recipe
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from rota import JobResult, Run

PEOPLE = Safety(most_rows=100, most_fraction=None, pause=0)
_REQUEST = ["status", "requested_at", "claimed_at", "attempts", "error", "completed_at"]


@dataclass(frozen=True, eq=False)
class Erasure(Recipe):
    """``requests`` has the columns ``status`` (``PENDING``, ``PROCESSING``, ``COMPLETED`` or ``CANCELLED``),
    ``requested_at``, ``claimed_at``, ``attempts``, ``error`` and ``completed_at``; its column ``subject`` has the key of a
    row of ``subjects``, in which ``marker`` is not empty once the person is anonymised. ``plan`` is done in its order.
    ``key`` makes the hash of a person, of the columns ``identity``.

    ``hold`` may name a ground on which a person must not be forgotten now; the request stays, and its turn comes when
    there is none. ``first`` is called before the first step, such as to keep the address of a last mail elsewhere.
    """

    requests: Any
    _: KW_ONLY
    subject: Column[Any]
    subjects: Any
    marker: Column[Any]
    plan: Sequence[Step]
    ledger: Any
    key: bytes = field(repr=False)
    identity: Sequence[Column[Any]] = ()
    where: ColumnElement[bool] | None = None
    grace: Age | timedelta | str = "30d"
    mode: Mode | Callable[[Mapping[str, Any]], Mode] = "anonymise"
    hold: Callable[[Connection, Subject], str | None] | None = None
    first: Callable[[Connection, Subject], None] | None = None
    safety: Safety = PEOPLE
    destructive = True

    def __post_init__(self) -> None:
        for name in ("requests", "subjects", "ledger"):
            object.__setattr__(self, name, table_of(getattr(self, name)))
        object.__setattr__(self, "grace", Age.of(self.grace))
        missing = [name for name in _REQUEST if name not in self.requests.columns]
        if missing:
            raise ConfigError(f"erasure: {self.requests.name} has no column {missing[0]!r}")
        if missing := missing_columns(self.ledger):
            raise ConfigError(f"erasure: {self.ledger.name} has no column {missing[0]!r}",
                              hint="rota.recipes.erasure_ledger(metadata) makes such a table.")  # fmt: skip
        if len(self.subjects.primary_key.columns) != 1:
            raise ConfigError(f"erasure: the key of {self.subjects.name} has several columns")
        if len(self.key) < 16:
            raise ConfigError("erasure: the key is too short", hint="Give 16 bytes or more, kept outside the database.")
        if any(key.ondelete == "CASCADE" and key.column.table is self.subjects for key in self.subject.foreign_keys):
            raise ConfigError(
                f"erasure: rows of {self.requests.name} go with those of {self.subjects.name} (ON DELETE CASCADE)",
                hint="Make it ON DELETE SET NULL: else nothing says afterwards that it was done.",
            )

    @property
    def description(self) -> str:
        """``Forget people who asked for it 30d ago.``"""
        return f"Forget people who asked for it {self.grace} ago."

    def hash_of(self, row: Mapping[str, Any]) -> str:
        columns = self.identity or tuple(self.subjects.primary_key.columns)
        return pseudonym(self.key, "\0".join(str(row[column.name]) for column in columns))

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        del plan
        return Forgetting(self, run).requests()


def erase_subject(run: Run, erasure: Erasure, subject_id: Any, mode: Mode = "anonymise") -> JobResult:
    """Forget one person now, without a request and without waiting for the grace; a hold counts. In a dry run it tells
    nothing but that."""
    forgetting = Forgetting(erasure, run)
    if run.dry_run:
        forgetting.result.status = "dry_run"
        return forgetting.result
    forgetting.attempt(run.idempotency_key, subject_id, mode)
    return forgetting.settle()


def replay_erasures(run: Run, erasure: Erasure) -> JobResult:
    """After a backup was put back: forget again whom the ledger names. One whose hash is another by now is somebody
    else with the same key, and counts as ``not_the_same``."""
    forgetting = Forgetting(erasure, run)
    if run.dry_run:
        forgetting.result.status = "dry_run"
        return forgetting.result
    return forgetting.replay()
