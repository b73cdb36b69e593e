"""Deletes what is older than it is kept: a stretch at a time, so that nobody waits for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from rota.engine.apart import all_steps, each_apart
from rota.model.figures import MINUTE_US
from rota.model.node import NodeSettings
from rota.model.run import ENDED, RunAge, RunState
from rota.store import Store, attempts, batches, counters, events, fires, logs, nodes, releases, runs, signals, steps

logger = logging.getLogger("rota.engine")
EVERY_SECONDS = 60.0
AT_ONCE = 1_000
MINUTES_AT_ONCE = 60
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
        steps = (self._prune_runs, self._prune_fires, self._prune_events, self._prune_counters, self._prune_batches,
                 self._prune_nodes)  # fmt: skip
        return all_steps([partial(step, now) for step in steps])

    def _prune_fires(self, now: int) -> bool:
        with self._store.write() as tx:
            return fires.prune(tx, now - self._days(self._settings.fires_days), AT_ONCE) == AT_ONCE

    def _prune_events(self, now: int) -> bool:
        with self._store.write() as tx:
            return events.prune(tx, now - self._days(self._settings.events_days), AT_ONCE) == AT_ONCE

    def _prune_counters(self, now: int) -> bool:
        with self._store.write() as tx:
            counters.prune(tx, (now - self._days(self._settings.counters_days)) // MINUTE_US, MINUTES_AT_ONCE)
        return False

    def _prune_batches(self, now: int) -> bool:
        with self._store.write() as tx:
            batches.prune(tx, now - self._days(self._settings.runs_days), AT_ONCE)
        return False

    def _prune_nodes(self, now: int) -> bool:
        with self._store.write() as tx:
            nodes.prune(tx, now - NODES_KEPT_US)
            releases.prune(tx, now - NODES_KEPT_US)
        return False

    def _prune_runs(self, now: int) -> bool:
        """Walk the runs from the oldest on, and stop where they become too young; the next round begins anew."""
        with self._store.read() as tx:
            stretch = runs.oldest(tx, self._seen_up_to, AT_ONCE)
        each_apart([run.id for run in stretch if self._is_old(run, now)], partial(self._delete, now), self._leave)
        young = not stretch or stretch[-1].created_at > now - self._days(
            min(self._settings.runs_days, self._settings.failed_days)
        )
        self._seen_up_to = 0 if young else stretch[-1].id
        return not young

    def _delete(self, now: int, doomed: Sequence[int]) -> None:
        with self._store.write() as tx:  # looked at again: a person may have sent one back meanwhile
            still = {run.id for run in runs.oldest(tx, doomed[0] - 1, AT_ONCE) if self._is_old(run, now)}
            doomed = [run for run in doomed if run in still]
            attempts.delete(tx, doomed)
            logs.delete(tx, doomed)
            signals.delete(tx, doomed)
            steps.delete(tx, doomed)
            runs.delete(tx, doomed)

    def _leave(self, run_id: int, error: Exception) -> None:
        """A row of somebody else's may need it."""
        logger.warning("run %d is kept, as the database does not let it go: %s", run_id, error)

    def _is_old(self, run: RunAge, now: int) -> bool:
        if run.finished_at is None or run.state not in ENDED:  # newer code may know more states
            return False
        kept = self._settings.failed_days if run.state == RunState.FAILED else self._settings.runs_days
        return run.finished_at < now - self._days(kept)

    @staticmethod
    def _days(days: float) -> int:
        return int(days * DAY_US)
