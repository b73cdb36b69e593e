"""The counts per minute and job, summed up; whoever asks for figures reads these and never scans runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from rota.store.database import Transaction

Histogram = Counter[int]
"""How many, by the bucket of ``rota.engine.tally``."""
Measures = Mapping[str, Histogram]
"""By what was counted: ``succeeded``, ``failed``, ``retried``, …, and ``late`` for the lateness of all of them."""


def add(tx: Transaction, counts: Mapping[tuple[int, str, str, int], int], shard: int) -> None:
    """By minute, job, measure and bucket, in one order everywhere: no two nodes wait for each other crosswise."""
    tx.over("counters.add", [(*key, count) for key, count in sorted(counts.items())], shard=shard)


def totals(tx: Transaction, since_minute: int, job: str | None = None) -> dict[str, Measures]:
    """By job, from a minute (minutes since 1970) until now."""
    found: dict[str, dict[str, Histogram]] = defaultdict(lambda: defaultdict(Counter))
    for name, measure, bucket, count in tx.all("counters.totals", since=since_minute, job=job):
        found[name][measure][bucket] += int(count)
    return dict(found)


def prune(tx: Transaction, before_minute: int, limit: int) -> None:
    """At most so many minutes."""
    tx.run("counters.prune", before=before_minute, limit=limit)
