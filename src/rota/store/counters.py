"""The counts per minute and job, summed up; whoever asks for figures reads these and never scans runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from rota.model.figures import MINUTE_US, Figures, Histogram, Measures, figures_of
from rota.store.database import Transaction


def figures(tx: Transaction, now_us: int, minutes: int = 60, job: str | None = None) -> Figures:
    """Of all jobs together, or of one, in the present minute and those before it."""
    return figures_of(minutes, totals(tx, _since(now_us, minutes), job).values())


def by_job(tx: Transaction, now_us: int, minutes: int = 60) -> dict[str, Figures]:
    """For each job that did anything."""
    counted = totals(tx, _since(now_us, minutes))
    return {job: figures_of(minutes, [measures]) for job, measures in counted.items()}


def _since(now_us: int, minutes: int) -> int:
    return now_us // MINUTE_US - minutes + 1


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
