"""A contest as a platform announces it, its phase by time, and what makes two announcements the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

PLATFORMS = ("codeforces", "leetcode", "codechef", "atcoder")
JUDGING = ("PENDING_SYSTEM_TEST", "SYSTEM_TEST")
JUDGING_AT_MOST = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One announcement. ``phase`` is what the platform said, where it says one; ``duration_minutes`` may be shorter
    than the time from start to end: some contests let each participant begin when they like."""

    platform: str
    platform_id: str
    name: str
    type: str
    start_time: datetime
    end_time: datetime
    duration_minutes: int
    website_url: str
    phase: str | None = None
    registration_url: str | None = None
    difficulty: str | None = None
    participant_count: int | None = None
    problem_count: int | None = None
    country: str | None = None
    city: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.platform_id}"

    def phase_at(self, as_of: datetime) -> str:
        """The phase by time; only a platform knows that judging goes on, and is believed for a day after the end."""
        if self.phase in JUDGING and self.end_time <= as_of < self.end_time + JUDGING_AT_MOST:
            return self.phase
        return phase_by_time(self.start_time, self.end_time, as_of)

    def content_hash(self) -> str:
        """Equal for announcements that mean the same: a phase that mere time brings is no change."""
        facts = asdict(self) | {"phase": self.phase if self.phase in JUDGING else None}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=datetime.isoformat).encode()).hexdigest()

    def columns(self, as_of: datetime) -> dict[str, Any]:
        """The values of its row, apart from those that belong to us."""
        return asdict(self) | {
            "contest_key": self.key,
            "phase": self.phase_at(as_of),
            "content_hash": self.content_hash(),
        }


def phase_by_time(start: datetime, end: datetime, as_of: datetime) -> str:
    if start > as_of:
        return "BEFORE"
    return "CODING" if as_of < end else "FINISHED"
