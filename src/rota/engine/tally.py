"""Counts per minute and job, gathered in memory and added to the ledger with the results they count."""

from __future__ import annotations

from collections import Counter
from math import log2

from rota.store import Transaction, counters

MINUTE_US = 60_000_000
STEPS = 4
"""Buckets to a doubling: a bucket's bounds are 19 % apart."""


class Tally:
    """Outcomes by duration, and lateness: how long after its due moment a run's body began."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str, str, int]] = Counter()

    def add(self, job: str, verdict: str, started_us: int, ended_us: int, due_us: int) -> None:
        minute = ended_us // MINUTE_US
        self._counts[minute, job, verdict, bucket(ended_us - started_us)] += 1
        self._counts[minute, job, "late", bucket(started_us - due_us)] += 1

    def count(self, minute_us: int, job: str, measure: str) -> None:
        self._counts[minute_us // MINUTE_US, job, measure, 0] += 1

    def save(self, tx: Transaction, shard: int) -> None:
        if self._counts:
            counters.add(tx, self._counts, shard)


def bucket(length_us: int) -> int:
    """The histogram bucket of a length; 0 holds everything up to a microsecond."""
    return 0 if length_us <= 1 else int(log2(length_us) * STEPS)


def bucket_middle_us(number: int) -> float:
    """A length that stands for a bucket: the geometric middle of its bounds."""
    return 0.0 if number == 0 else 2 ** ((number + 0.5) / STEPS)
