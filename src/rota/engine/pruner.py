"""Deletes what is older than it is kept: a stretch at a time, so that nobody waits for it."""

from __future__ import annotations

from rota.model.node import NodeSettings
from rota.model.run import RunAge, RunState
from rota.store import Store, attempts, batches, counters, events, fires, logs, nodes, releases, runs

EVERY_SECONDS = 60.0
AT_ONCE = 1_000
MINUTES_AT_ONCE = 60
MINUTE_US = 60_000_000
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
            gone = {
                fires.prune(tx, now - self._days(self._settings.fires_days), AT_ONCE),
                events.prune(tx, now - self._days(self._settings.events_days), AT_ONCE),
            }
            counters.prune(tx, (now - self._days(self._settings.counters_days)) // MINUTE_US, MINUTES_AT_ONCE)
            batches.prune(tx, now - self._days(self._settings.runs_days), AT_ONCE)
            nodes.prune(tx, now - NODES_KEPT_US)
            releases.prune(tx, now - NODES_KEPT_US)
        return more or AT_ONCE in gone

    def _prune_runs(self, now: int) -> bool:
        """Walk the runs from the oldest on, and stop where they become too young; the next round begins anew."""
        with self._store.write() as tx:
            stretch = runs.oldest(tx, self._seen_up_to, AT_ONCE)
            doomed = [run.id for run in stretch if self._is_old(run, now)]
            if doomed:
                attempts.delete(tx, doomed)
                logs.delete(tx, doomed)
                runs.delete(tx, doomed)
        young = not stretch or stretch[-1].created_at > now - self._days(
            min(self._settings.runs_days, self._settings.failed_days)
        )
        self._seen_up_to = 0 if young else stretch[-1].id
        return not young

    def _is_old(self, run: RunAge, now: int) -> bool:
        if run.finished_at is None or not RunState(run.state).ended:
            return False
        kept = self._settings.failed_days if run.state == RunState.FAILED else self._settings.runs_days
        return run.finished_at < now - self._days(kept)

    @staticmethod
    def _days(days: float) -> int:
        return int(days * DAY_US)
