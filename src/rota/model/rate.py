"""How many runs may start in a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rota.errors import ConfigError
from rota.shown import shown

_PERIODS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_TEXT = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{0,9})\s*([smhd])")
_LONGEST_US = 1_000 * 366 * _PERIODS_US["d"]

_MOST = 999_999_999
_HINT = 'Write "100/m", "5/s" or "1000/24h".'


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` starts in ``period_us`` microseconds: a bucket of so many, which fills again evenly over the period.

    After a rest the whole bucket may start at once; from then on one start is earned each ``step_us``. So the first
    period after a rest sees up to twice ``count``, less one, and no window of any length ``w`` more than
    ``count + w / step_us``.
    """

    count: int
    period_us: int

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read ``"100/m"``, ``"5/s"``, ``"1000/24h"``; raises ``ConfigError`` otherwise."""
        match = _TEXT.fullmatch(text.strip().lower()) if isinstance(text, str) else None
        if match is None:
            raise ConfigError(f"{shown(text)} is not a rate", hint=_HINT)
        return cls(int(match[1]), int(match[2] or 1) * _PERIODS_US[match[3]])

    def __post_init__(self) -> None:
        for value, most in ((self.count, _MOST), (self.period_us, _LONGEST_US)):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise ConfigError(f"{shown(self)} cannot be kept", hint=_HINT)

    def __str__(self) -> str:
        """As people write it: ``100/m``, ``2/90s``."""
        unit, length = next(
            each for each in reversed(_PERIODS_US.items()) if not self.period_us % each[1] or each[0] == "s"
        )
        periods = self.period_us // length
        return f"{self.count}/{'' if periods == 1 else periods}{unit}"

    @property
    def step_us(self) -> int:
        """The time in which one start is earned."""
        return -(-self.period_us // self.count)

    def bounded(self, full_at_us: int, now_us: int) -> int:
        """A bucket that is empty now is full again a period from now: if not, the clock or the rate was changed."""
        return min(full_at_us, now_us + self.count * self.step_us)

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

    def turn_at(self, full_at_us: int, now_us: int, ahead: int) -> int:
        """The moment from which one may start that so many go before; each of them takes the first that it may."""
        return max(now_us, self.next_at(max(full_at_us, now_us)) + ahead * self.step_us)
