"""An attempt: one try at a run. What is handed out to whatever does it, and how it ended.

Both are plain values that go through JSON unchanged, so that a body may be done in this process or in any other.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from rota.model.signal import Wait


class Claimant(NamedTuple):
    """Who claims: a node, and the number of the claim among all claims of that node.

    The number is counted by the node itself, so that no crash of a database can give it out again.
    """

    node: str
    claim: int


class Envelope(NamedTuple):
    """A claimed run, as the node that claimed it got it. Field order is the column order of the claim statements.

    ``node`` with ``claim`` is the ledger's fence. Moments are microseconds of UTC, ``arguments`` and ``checkpoint``
    JSON text.
    """

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
    crashes: int
    suspected: int
    priority_us: int
    resumed_at: int | None
    """When the signal came that it waited for, or its time was up."""
    cancel_by: str | None
    """The person who asked it to stop while an earlier claim had not begun it."""
    node: str
    claim: int

    @property
    def key(self) -> tuple[int, int]:
        """Run and claim: two attempts of one run may be on one node, after that was given up for lost."""
        return self.id, self.claim

    @property
    def wanted_at(self) -> int:
        """The moment from which its lateness counts."""
        return max(self.due_at, self.resumed_at or 0)


class End(StrEnum):
    """How an attempt ended, before the run's own policies decide what that leads to."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SNOOZED = "snoozed"
    WAITING = "waiting"
    """For a signal."""
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    HANDED_BACK = "handed_back"
    """The node was stopping, or had lost its lease."""
    OUT_OF_MEMORY = "memory"
    """It grew beyond the ``memory`` of its job, and was ended."""
    CRASHED = "crashed"
    """Its own process died, and the node did not."""


class Ended(NamedTuple):
    """The end of an attempt. Moments are microseconds of UTC, lengths seconds."""

    end: End
    started_at: int
    """0 where the body never began."""
    finished_at: int
    result: str | None = None
    """JSON text."""
    error: str | None = None
    traceback: str | None = None
    wait: float | None = None
    """How long the body itself asked to wait before the next attempt."""
    waits: Wait | None = None
    """What it waits for, where it ended as ``waiting``."""
    permanent: bool = False
    """A failure that is not to be tried again."""
    overran: bool = False
    """It did all its work after it had been told that its time was up."""
    progress: tuple[int, int | None] | None = None
    """The last word on it, where the ledger does not have it yet."""
    peak_rss: int | None = None
    log: str = ""


class Caps(NamedTuple):
    """How much of what an attempt leaves behind is kept."""

    result_bytes: int = 65_536
    log_lines: int = 1_000
    log_bytes: int = 65_536
