"""Figures of the last minutes, made of counts: rates, shares, percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2

SECOND = 1_000_000
MINUTE_US = 60 * SECOND
STEPS = 4
"""Buckets to a doubling: a bucket's bounds are 19 % apart."""
LATE = "late"
ENDS = ("succeeded", "failed", "cancelled")
"""The measures that count runs that are over; most others count attempts that another one follows."""
NO_ATTEMPTS = (LATE, "expired")

Histogram = Counter[int]
"""How many, by the ``bucket`` of their length."""
Measures = Mapping[str, Histogram]
"""By what was counted: ``succeeded``, ``failed``, ``retried``, …, and ``late`` for the lateness of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted in the last ``minutes``. Lengths are seconds, from buckets whose bounds are 19 % apart.

    ``runs`` are those that ended, ``attempts`` all tries. What ``expired`` was never tried, and no other number counts
    it. Durations are those of attempts that ran; lateness is the time from a run's due moment to the start of its body.
    """

    minutes: int
    runs: int
    attempts: int
    succeeded: int
    failed: int
    cancelled: int
    retried: int
    crashed: int
    expired: int
    p50: float | None
    p95: float | None
    late_p50: float | None
    late_p95: float | None

    @property
    def per_minute(self) -> float:
        return self.runs / self.minutes

    @property
    def success(self) -> float | None:
        """The share, from 0 to 1, of the runs that succeeded among those that succeeded or failed."""
        judged = self.succeeded + self.failed
        return self.succeeded / judged if judged else None


def figures_of(minutes: int, of_jobs: Iterable[Measures]) -> Figures:
    """The figures of several jobs together."""
    total: dict[str, Histogram] = {}
    for measures in of_jobs:
        for measure, histogram in measures.items():
            total.setdefault(measure, Counter()).update(histogram)
    count = {measure: histogram.total() for measure, histogram in total.items()}
    lengths: Histogram = Counter()
    for measure, histogram in total.items():
        if measure not in {*NO_ATTEMPTS, "crashed"}:  # nobody measured how long a crashed attempt ran
            lengths.update(histogram)
    late = total.get(LATE, Counter())
    return Figures(
        minutes=minutes,
        runs=sum(count.get(measure, 0) for measure in ENDS),
        attempts=sum(number for measure, number in count.items() if measure not in NO_ATTEMPTS),
        succeeded=count.get("succeeded", 0),
        failed=count.get("failed", 0),
        cancelled=count.get("cancelled", 0),
        retried=count.get("retried", 0),
        crashed=count.get("crashed", 0),
        expired=count.get("expired", 0),
        p50=percentile(lengths, 0.5),
        p95=percentile(lengths, 0.95),
        late_p50=percentile(late, 0.5),
        late_p95=percentile(late, 0.95),
    )


def percentile(histogram: Histogram, share: float) -> float | None:
    """The length, in seconds, that this share of all does not exceed; ``None`` where nothing was counted."""
    left = share * histogram.total()
    if not left:
        return None
    for bucket in sorted(histogram):
        left -= histogram[bucket]
        if left <= 0:
            return bucket_middle_us(bucket) / SECOND
    return bucket_middle_us(max(histogram)) / SECOND


def bucket(length_us: int) -> int:
    """The histogram bucket of a length; 0 holds everything up to a microsecond."""
    return 0 if length_us <= 1 else int(log2(length_us) * STEPS)


def bucket_middle_us(number: int) -> float:
    """A length that stands for a bucket: the geometric middle of its bounds."""
    return 0.0 if number == 0 else 2 ** ((number + 0.5) / STEPS)
