"""Counts per minute and job, gathered in memory and added to the ledger with the results they count."""

from __future__ import annotations

from collections import Counter

from rota.model.figures import MINUTE_US, bucket
from rota.store import Transaction, counters


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
