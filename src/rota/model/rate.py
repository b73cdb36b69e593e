"""How many runs may start in a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rota.errors import ConfigError

_PERIODS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_TEXT = re.compile(r"(\d+)\s*/\s*(\d*)\s*([smhd])")


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` starts in every ``period_us`` microseconds, the first ``count`` of them at once (a full bucket)."""

    count: int
    period_us: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read ``"100/m"``, ``"5/s"``, ``"1000/24h"``; raises ``ConfigError`` otherwise."""
        match = _TEXT.fullmatch(text.strip().lower())
        if match is None or int(match[1]) < 1 or match[2] == "0":
            raise ConfigError(f"{text!r} is not a rate", hint='Write "100/m", "5/s" or "1000/24h".')
        return cls(int(match[1]), int(match[2] or 1) * _PERIODS_US[match[3]])

    @property
    def step_us(self) -> int:
        """The time in which one start is earned."""
        return max(1, self.period_us // self.count)

    def allowed(self, full_at_us: int, now_us: int) -> int:
        """How many may start now, for a bucket that is full again at ``full_at_us`` (generic cell rate algorithm)."""
        missing = max(0, full_at_us - now_us)
        return max(0, self.count - -(-missing // self.step_us))

    def taken(self, full_at_us: int, now_us: int, count: int) -> int:
        """The bucket's new ``full_at_us`` after ``count`` starts."""
        return max(full_at_us, now_us) + count * self.step_us

    def next_at(self, full_at_us: int) -> int:
        """The moment from which one more may start, for an empty bucket."""
        return full_at_us - (self.count - 1) * self.step_us
