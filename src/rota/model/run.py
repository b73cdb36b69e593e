"""A run: one request to do a job, from the moment it is asked for until its attempts are over."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple


class RunState(StrEnum):
    SCHEDULED = "scheduled"
    AVAILABLE = "available"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})

MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.SCHEDULED: frozenset({RunState.AVAILABLE, RunState.CANCELLED}),
    RunState.AVAILABLE: frozenset({RunState.RUNNING, RunState.SCHEDULED, RunState.CANCELLED}),
    # back to `scheduled`: a retry or a snooze; back to `available`: handed back, or rescued from a lost node
    RunState.RUNNING: ENDED | {RunState.SCHEDULED, RunState.AVAILABLE},
    RunState.SUCCEEDED: frozenset(),
    # a person's retry
    RunState.FAILED: frozenset({RunState.AVAILABLE, RunState.CANCELLED}),
    RunState.CANCELLED: frozenset({RunState.AVAILABLE}),
}
"""Every move a run may make. Each is one guarded statement in ``store/sql/runs.sql``."""


class Claim(NamedTuple):
    """A run as the node that claimed it gets it. ``attempt`` is its fencing token; moments are microseconds."""

    id: int
    job: str
    attempt: int
    arguments: str
    queue: str
    due_at: int
    as_of: int
    failures: int
    checkpoint: str | None
    limit_key: str | None
    batch_id: int | None
    schedule: str | None
    fire_due_at: int | None
    asked_by: str | None
    mode: str | None
    suspected: int
    priority: int
    cancel_by: str | None = None
    """Who asked it to stop, while an earlier claim had not begun it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run about to be inserted; ``None`` where the database's default holds."""

    job: str
    queue: str
    state: RunState
    due_at: int
    created_at: int
    arguments: str
    priority: int = 0
    asked_by: str | None = None
    mode: str | None = None
    schedule: str | None = None
    fire_id: int | None = None
    fire_due_at: int | None = None
    batch_id: int | None = None
    unique_key: str | None = None
    unique_until: str | None = None
    limit_key: str | None = None
    limit_count: int | None = None
    rate_key: str | None = None
    as_of: int | None = None
    """The "now" of its rules, where that is not the start of its first attempt."""

    def row(self) -> tuple[Any, ...]:
        row: tuple[Any, ...] = _row(self)
        return row

    def parameters(self) -> dict[str, Any]:
        return dict(zip(NEW_RUN_COLUMNS, self.row(), strict=True))


NEW_RUN_COLUMNS = tuple(field.name for field in fields(NewRun))
_row = attrgetter(*NEW_RUN_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the ledger holds it; moments are microseconds of UTC, JSON is text."""

    id: int
    job: str
    queue: str
    state: str
    priority: int
    due_at: int
    created_at: int
    arguments: str
    attempt: int
    failures: int
    crashes: int
    suspected: int
    asked_by: str | None
    mode: str | None
    schedule: str | None
    fire_due_at: int | None
    batch_id: int | None
    unique_key: str | None
    limit_key: str | None
    limit_count: int | None
    rate_key: str | None
    held_by: str | None
    held_until: int | None
    node: str | None
    as_of: int | None
    started_at: int | None
    finished_at: int | None
    cancel_at: int | None
    cancel_by: str | None
    progress_done: int | None
    progress_total: int | None
    checkpoint: str | None
    result: str | None
    error: str | None
    peak_rss: int | None

    def own_attempt(self) -> AttemptRecord | None:
        """The attempt that this row itself tells of: the one under way, or the one that ended well."""
        if self.state not in {RunState.RUNNING, RunState.SUCCEEDED}:
            return None
        return AttemptRecord(
            number=self.attempt,
            node=self.node,
            started_at=self.started_at,
            finished_at=self.finished_at,
            outcome=self.state,
            error=None,
            traceback=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One call of the body, or one under way; moments are microseconds of UTC.

    ``outcome``: ``running``, ``succeeded``, ``failed``, ``timed_out``, ``cancelled``, ``snoozed``, ``handed_back``
    (its node stopped) or ``crashed`` (its node was lost). A number that is missing was claimed, and given back before
    its body began.
    """

    number: int
    node: str | None
    started_at: int | None
    finished_at: int | None
    outcome: str
    error: str | None
    traceback: str | None
