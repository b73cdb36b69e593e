"""Deletes what is older than it is kept: a stretch at a time, so that nobody waits for it."""

from __future__ import annotations

from rota.model.node import NodeSettings
from rota.model.run import RunState
from rota.store import Store

EVERY_SECONDS = 60.0
AT_ONCE = 1_000
DAY_US = 86_400_000_000
NODES_KEPT_US = 7 * DAY_US


class Pruner:
    """The duty that forgets. What a person did (the audit) is never forgotten."""

    name = "pruner"

    def __init__(self, store: Store, settings: NodeSettings) -> None:
        self.interval = EVERY_SECONDS
        self._store = store
        self._settings = settings
        self._seen_up_to = 0

    def tick(self) -> bool:
        now = self._store.now_us()
        more = self._prune_runs(now)
        with self._store.write() as tx:
            fires = tx.run("fires.prune", before=now - self._days(self._settings.fires_days), limit=AT_ONCE)
            events = tx.run("events.prune", before=now - self._days(self._settings.events_days), limit=AT_ONCE)
            tx.run(
                "counters.prune",
                before=(now - self._days(self._settings.counters_days)) // 60_000_000,
                limit=60,
            )
            tx.run("runs.prune_batches", before=now - self._days(self._settings.runs_days), limit=AT_ONCE)
            tx.run("nodes.prune", before=now - NODES_KEPT_US)
            tx.run("nodes.prune_duties")
        return more or AT_ONCE in {fires, events}

    def _prune_runs(self, now: int) -> bool:
        """Walk the runs from the oldest on, and stop where they become too young; the next round begins anew."""
        with self._store.write() as tx:
            stretch = tx.all("runs.window", after=self._seen_up_to, limit=AT_ONCE)
            doomed = [(row[0],) for row in stretch if self._is_old(row[1], row[3], now)]
            if doomed:
                tx.rows("runs.delete_attempts", doomed)
                tx.rows("runs.delete_logs", doomed)
                tx.rows("runs.delete", doomed)
        young = not stretch or stretch[-1][2] > now - self._days(
            min(self._settings.runs_days, self._settings.failed_days)
        )
        self._seen_up_to = 0 if young else stretch[-1][0]
        return not young

    def _is_old(self, state: str, finished_at: int | None, now: int) -> bool:
        if finished_at is None or not RunState(state).ended:
            return False
        kept = self._settings.failed_days if state == RunState.FAILED else self._settings.runs_days
        return finished_at < now - self._days(kept)

    @staticmethod
    def _days(days: float) -> int:
        return int(days * DAY_US)
