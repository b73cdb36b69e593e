"""Figures of the last minutes, from the counters: rates, shares, percentiles. Nothing here looks at runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rota.engine.tally import MINUTE_US, bucket_middle_us
from rota.store import Store, counters
from rota.store.counters import Histogram, Measures

SECOND = 1_000_000
LATE = "late"
ENDS = ("succeeded", "failed", "cancelled")
"""The measures that count runs that are over; all others but ``late`` count attempts that another one follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted in the last ``minutes``. Lengths are seconds, from buckets whose bounds are 19 % apart.

    ``runs`` are those that ended, ``attempts`` all tries. Durations are those of attempts that ran; lateness is the
    time from a run's due moment to the start of its body.
    """

    minutes: int
    runs: int
    attempts: int
    succeeded: int
    failed: int
    cancelled: int
    retried: int
    crashed: int
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


class Counters:
    """``rota.counters``: figures over all jobs, of one, or of each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def figures(self, minutes: int = 60, job: str | None = None) -> Figures:
        """Of the present minute and those before it."""
        return figures(minutes, self._totals(minutes, job).values())

    def by_job(self, minutes: int = 60) -> dict[str, Figures]:
        """For each job that did anything."""
        return {job: figures(minutes, [measures]) for job, measures in self._totals(minutes, None).items()}

    def _totals(self, minutes: int, job: str | None) -> Mapping[str, Measures]:
        since = self._store.now_us() // MINUTE_US - minutes + 1
        with self._store.read() as tx:
            return counters.totals(tx, since, job)


def figures(minutes: int, of_jobs: Iterable[Measures]) -> Figures:
    """The figures of several jobs together."""
    total: dict[str, Histogram] = {}
    for measures in of_jobs:
        for measure, histogram in measures.items():
            total.setdefault(measure, Counter()).update(histogram)
    count = {measure: histogram.total() for measure, histogram in total.items()}
    lengths: Histogram = Counter()
    for measure, histogram in total.items():
        if measure not in {LATE, "crashed"}:  # nobody measured how long a crashed attempt ran
            lengths.update(histogram)
    late = total.get(LATE, Counter())
    return Figures(
        minutes=minutes,
        runs=sum(count.get(measure, 0) for measure in ENDS),
        attempts=sum(number for measure, number in count.items() if measure != LATE),
        succeeded=count.get("succeeded", 0),
        failed=count.get("failed", 0),
        cancelled=count.get("cancelled", 0),
        retried=count.get("retried", 0),
        crashed=count.get("crashed", 0),
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
