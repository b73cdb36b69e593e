"""A queue: where runs wait for a node, and what limits all of them together."""

from __future__ import annotations

from dataclasses import dataclass

from rota.model.rate import Rate, bucket_of_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """As the ledger holds it; ``rate`` is text such as ``100/m``, moments are microseconds of UTC."""

    name: str
    concurrency: int | None
    rate: str | None
    paused_at: int | None
    paused_by: str | None
    paused_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue and what is in it; counts stop at a cap. ``oldest_due_at``: of those that wait for a worker."""

    record: QueueRecord
    waiting: int
    held: int
    running: int
    scheduled: int
    oldest_due_at: int | None


@dataclass(frozen=True, slots=True)
class QueueWork:
    """A queue that is not paused, and in it the runs for any host or those that are kept for one.

    ``work``: it has runs to claim; ``limited``: claiming them takes counting; ``suspects``: some are to be done alone.
    """

    name: str
    host: str
    concurrency: int | None
    rate: Rate | None
    work: bool
    limited: bool
    suspects: bool

    @property
    def lane(self) -> tuple[str, str]:
        """What is claimed from at one time."""
        return self.name, self.host

    @property
    def bucket(self) -> str:
        """The name under which its own rate is counted."""
        return bucket_of_queue(self.name)
