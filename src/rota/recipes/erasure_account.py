"""What an erasure did to the rows of each table, and on which grounds some stay."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rota.recipes.erasure_plan import BUCKETS, Mode, Step

if TYPE_CHECKING:
    from rota import JobResult

COUNTS = ("processed", "anonymized", "deleted", "nothing_to_do", "cancelled_skipped", "held", "failed")
Buckets = Mapping[str, Mapping[str, int]]


class ErasureAccount:
    """Of one run; ``grounds``: by table, why rows stay."""

    def __init__(self, *, dry_run: bool) -> None:
        from rota import JobResult

        self.result = JobResult(counts=dict.fromkeys(COUNTS, 0))
        self.grounds: dict[str, str] = {}
        self._rows: dict[str, Counter[str]] = defaultdict(Counter)
        self._dry_run = dry_run

    def by_bucket(self, counted: Iterable[tuple[Step, int]]) -> dict[str, dict[str, int]]:
        """Erased, pseudonymised, kept: how many rows of each table."""
        buckets: dict[str, Counter[str]] = {name: Counter() for name in BUCKETS.values()}
        for step, count in counted:
            if count:
                buckets[BUCKETS[step.action]][step.table.name] += count
            if step.ground:
                self.grounds[step.table.name] = step.ground
        return {name: dict(found) for name, found in buckets.items()}

    def count(self, mode: Mode, buckets: Buckets | None) -> None:
        name = "nothing_to_do" if buckets is None else "anonymized" if mode == "anonymise" else "deleted"
        self.result.counts["processed"] += 1
        self.result.counts[name] += 1
        for bucket, found in (buckets or {}).items():
            self._rows[bucket].update(found)

    def settle(self) -> JobResult:
        result, counts = self.result, self.result.counts
        result.details["rows_by_table"] = {name: dict(self._rows[name]) for name in dict.fromkeys(BUCKETS.values())}
        result.details["grounds"] = self.grounds
        told = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
        result.message = ", ".join(told) or "nothing to do"
        if self._dry_run:
            result.status = "dry_run"
        elif counts["failed"]:
            result.status = "partial" if counts["processed"] else "failed"
        elif "stopped" in result.details:
            result.status = "partial"
        return result
