"""A run: one request to do a job, from the moment it is asked for until its attempts are over."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rota.model.host import ANY_HOST


class RunState(StrEnum):
    SCHEDULED = "scheduled"
    AVAILABLE = "available"
    RUNNING = "running"
    WAITING = "waiting"
    """For a signal: its attempt has ended, and the next one begins when the signal comes."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        return self in ENDED


BEGUN_AND_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
"""How a run that is under way may end."""
ENDED = BEGUN_AND_ENDED | {RunState.EXPIRED}

MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.SCHEDULED: frozenset({RunState.AVAILABLE, RunState.CANCELLED, RunState.EXPIRED}),
    RunState.AVAILABLE: frozenset({RunState.RUNNING, RunState.SCHEDULED, RunState.CANCELLED, RunState.EXPIRED}),
    # back to `scheduled`: a retry or a snooze; back to `available`: handed back, or rescued from a lost node
    RunState.RUNNING: BEGUN_AND_ENDED | {RunState.SCHEDULED, RunState.AVAILABLE, RunState.WAITING},
    RunState.WAITING: frozenset({RunState.AVAILABLE, RunState.CANCELLED}),
    RunState.SUCCEEDED: frozenset(),
    # a person's retry
    RunState.FAILED: frozenset({RunState.AVAILABLE, RunState.CANCELLED}),
    RunState.CANCELLED: frozenset({RunState.AVAILABLE}),
    RunState.EXPIRED: frozenset({RunState.AVAILABLE}),
}
"""Every move a run may make. Each is one guarded statement in ``store/sql/runs.sql``."""


PAUSED = "paused"
"""What holds a run whose schedule is paused: it is let go when that goes on, and by nothing else."""


class Candidate(NamedTuple):
    """An available run that may be under limits, as a claim weighs it."""

    id: int
    job: str
    turn: int
    """``due_at + priority_us``: the lowest goes first."""
    limit_key: str | None


class Held(NamedTuple):
    """A run that stands in line for a limit, and what is told of it."""

    id: int
    limit_key: str
    reason: str


class PausedRun(NamedTuple):
    """A run whose schedule is paused. Field order is the column order of ``held_runs``."""

    id: int
    due_at: int
    attempts: int
    host: str


class Chosen(NamedTuple):
    """A candidate to claim; from when until when a rate let none like it start, and what is told of that."""

    id: int
    limit_key: str | None = None
    since: int | None = None
    until: int | None = None
    reason: str | None = None


class NewRun(NamedTuple):
    """A run about to be inserted; ``None`` where the database's default holds."""

    job: str
    queue: str
    state: RunState
    due_at: int
    created_at: int
    arguments: str
    priority: int = 0
    priority_us: int = 0
    """What its priority counts for: waiting runs take turns by ``due_at + priority_us``."""
    asked_by: str | None = None
    mode: str | None = None
    schedule: str | None = None
    fire_id: int | None = None
    fire_due_at: int | None = None
    batch_id: int | None = None
    unique_key: str | None = None
    unique_until: str | None = None
    limit_key: str | None = None
    held_by: str | None = None
    """Why it has to wait in line, where it has to."""
    held_for: str | None = None
    held_since: int | None = None
    as_of: int | None = None
    """The "now" of its rules, where that is not the start of its first attempt."""
    expires_at: int | None = None
    """Until when it must have begun."""
    host: str = ANY_HOST
    """Its nodes alone may claim it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the ledger holds it; moments are microseconds of UTC, JSON is text."""

    id: int
    job: str
    queue: str
    host: str
    """Whose nodes alone may do it; ``""``: any."""
    state: str
    priority: int
    priority_us: int
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
    held_by: str | None
    held_since: int | None
    """When it was held for the first time, and for what; they stay when it is let go."""
    held_for: str | None
    staged_at: int | None
    """When it came due and was made available."""
    waits_for: str | None
    """The name of the signal; only of a run in the state ``waiting``."""
    waits_until: int | None
    waits_about: str | None
    resumed_at: int | None
    """When the last signal that it waited for came, or its time was up."""
    node: str | None
    claim: int | None
    """With the node, what the ledger knows the attempt under way by."""
    as_of: int | None
    expires_at: int | None
    """Until when it must have begun; ``None``, too, where it had begun before it came to wait again."""
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
            run_id=self.id,
            number=self.attempt,
            node=self.node,
            started_at=self.started_at,
            finished_at=self.finished_at,
            outcome=self.state,
            error=None,
            traceback=None,
        )


class WaitedOut(NamedTuple):
    """A run whose time to wait for a signal is up. Field order is the column order of ``waited_out``."""

    id: int
    job: str
    waits_for: str
    waits_until: int


class ExpiredRun(NamedTuple):
    """A run that will not begin any more. Field order is the column order of ``expire``, and of ``expire_kept``."""

    id: int
    job: str
    due_at: int
    expires_at: int | None
    limit_key: str | None
    batch_id: int | None
    held_for: str | None
    """What it waited for, as far as its row and its queue's know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRun:
    """A run under way: which node has it, and since when. One that waits for a signal is on none."""

    id: int
    job: str
    node: str | None
    started_at: int
    suspected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAge:
    """A run as the pruner judges it."""

    id: int
    state: str
    created_at: int
    finished_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """A run that was cancelled as its ledger became another one; one that was running has its ``node``."""

    id: int
    attempt: int
    node: str | None
    started_at: int | None
    batch_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRun:
    """A run that a lost node left running."""

    id: int
    job: str
    attempt: int
    crashes: int
    suspected: int
    started_at: int | None
    limit_key: str | None
    batch_id: int | None
    cancel_at: int | None
    cancel_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What becomes of a run that a lost node left running. Field order is the column order of ``rescue``."""

    id: int
    attempt: int
    state: RunState
    crashes: int
    suspected: int
    finished_at: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The end of an attempt that did not succeed, or does not count. Field order is the column order of ``settle``."""

    id: int
    claim: int
    state: str
    due_at: int
    started_at: int | None
    finished_at: int | None
    error: str | None
    failures: int
    crashes: int
    peak_rss: int | None
    result: str | None
    """What it reports of its work, as JSON, though it did not succeed."""
    waits_for: str | None = None
    waits_until: int | None = None
    waits_about: str | None = None
    keeps_place: int | None = None
    """1, where it is counted under its limit while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an attempt is. Field order is the column order of ``save_progress``."""

    id: int
    claim: int
    done: int | None
    total: int | None
    peak_rss: int | None


LEASE_LAPSES = "the node could not renew its lease, which is about to lapse"
"""Why a node stops what it does, and begins nothing more."""
NOT_IN_TIME = "it had not begun in time"
"""The error of a run that expired."""
NODE_LOST = "the node was lost"
"""The error of an attempt whose node was given up for lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One call of the body, or one under way; moments are microseconds of UTC.

    ``outcome``: ``running``, ``succeeded``, ``failed``, ``timed_out``, ``memory``, ``cancelled``, ``snoozed``,
    ``waiting`` (for a signal), ``handed_back`` (its node stopped) or ``crashed`` (its node, or its own process, was
    lost). A number that is missing was claimed, and given back before its body began.
    """

    run_id: int
    number: int
    node: str | None
    started_at: int | None
    finished_at: int | None
    outcome: str
    error: str | None
    traceback: str | None
