"""What leaves, and what is written down about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

NEVER = datetime.min.replace(tzinfo=UTC)
Facts = dict[str, Any]
"""What is known of a message when it leaves: the look's columns, ``message`` (its row), ``now`` and ``address``."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Rows of one person that leave as one message; mostly one."""

    rows: Sequence[Row[Any]]
    facts: Sequence[Facts]
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is written down about a row. ``tried``: there was a try; ``free``: it costs the message none of its
    tries; ``unsure``: the provider may have it, so that no other is given it."""

    status: str
    reason: str | None = None
    next_try_at: datetime | None = None
    tried: bool = True
    unsure: bool = False
    free: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A row, and what is written down about it. The user's ``settled`` hears of it in the same transaction; ``queued``
    says that another try will follow. Statuses are those of the ledger."""

    row: Row[Any]
    verdict: Verdict
    provider_id: str | None = None
    bounce: bool = False
    at: datetime = NEVER
    """When it was written down, by the run's clock; ``settled`` is told it."""

    @property
    def status(self) -> str:
        return self.verdict.status
