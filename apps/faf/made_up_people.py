"""Made-up owners and contacts, as far as what becomes of them depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from apps.made_up import DAY


@dataclass(slots=True)
class Rate:
    """Of what was sent in half a year and is still there when the rates are worked out."""

    sent: int = 0
    answered: int = 0

    def add(self, other: Rate) -> None:
        self.sent += other.sent
        self.answered += other.answered

    @property
    def percent(self) -> str | None:
        if not self.sent:
            return None
        hundredths = (20_000 * self.answered + self.sent) // (2 * self.sent)  # half up
        return f"{hundredths // 100}.{hundredths % 100:02}"


@dataclass(slots=True)
class Contact:
    """``sent``: whether anybody wrote to it in past months; ``alone``: when it was invited by itself, this month."""

    email: str
    status: str = "active"
    columns: dict[str, object] = field(default_factory=dict)
    sent: bool = True
    alone: datetime | None = None

    def is_asked(self, as_of: datetime) -> bool:
        """Unless it bounced three times, the last of them less than thirty days ago."""
        bounced = self.columns.get("last_bounce_at")
        lately = isinstance(bounced, datetime) and bounced > as_of - 30 * DAY
        many = lately and self.columns["soft_bounce_count"] in {3, 4}
        return self.status in {"active", "pending"} and not many


@dataclass(slots=True)
class Owner:
    """``steps``: after how many days he has his friends reminded; ``asked`` and ``alone`` are addresses."""

    number: int
    asks: bool
    steps: tuple[int, ...]
    asked: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
