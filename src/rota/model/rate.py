"""How many runs may start in a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rota.errors import ConfigError
from rota.shown import shown

_PERIODS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_TEXT = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{0,9})\s*([smhd])")
_LONGEST_US = 1_000 * 366 * _PERIODS_US["d"]

_MOST = 999_999_999
_OF_JOB = "job:"
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


@dataclass(frozen=True, slots=True)
class Bucket:
    """How far a rate is used up at ``now``: the bucket is full again at ``full_at``. Microseconds of UTC."""

    rate: Rate
    full_at: int
    now: int

    @classmethod
    def read(cls, rate: Rate, stored: int | None, now: int) -> Bucket:
        """What the ledger keeps of it. A bucket that is empty now is full again a period from now: if not, the clock or
        the rate was changed."""
        return cls(rate, min(stored or 0, now + rate.count * rate.step_us), now)

    @property
    def allowed(self) -> int:
        """How many may start now (generic cell rate algorithm)."""
        missing = max(0, self.full_at - self.now)
        return max(0, self.rate.count - -(-missing // self.rate.step_us))

    @property
    def next_at(self) -> int:
        """The moment from which one more may start, for an empty bucket."""
        return self.full_at - (self.rate.count - 1) * self.rate.step_us

    def taken(self, count: int = 1) -> Bucket:
        """The bucket after so many starts."""
        return replace(self, full_at=max(self.full_at, self.now) + count * self.rate.step_us)

    def turn_at(self, ahead: int) -> int:
        """The moment from which one may start that so many go before; each of them takes the first that it may."""
        next_at = replace(self, full_at=max(self.full_at, self.now)).next_at
        return max(self.now, next_at + ahead * self.rate.step_us)


def bucket_of_job(name: str) -> str:
    """The name under which a job's rate is counted."""
    return f"{_OF_JOB}{name}"


def job_of_bucket(bucket: str) -> str | None:
    return bucket.removeprefix(_OF_JOB) if bucket.startswith(_OF_JOB) else None


def bucket_of_queue(name: str) -> str:
    """The name under which a queue's own rate is counted."""
    return f"queue:{name}"


def waits_for_rate(rate: Rate | str, *, of_queue: bool = False) -> str:
    """Why a run is kept back, in a list's words."""
    return f"rate {rate} of its queue" if of_queue else f"rate {rate}"
