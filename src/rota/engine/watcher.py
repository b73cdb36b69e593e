"""Watches the attempts under way for whoever looks on: passes requests to cancel on, and keeps their progress."""

from __future__ import annotations

from rota.engine.context import Run
from rota.engine.identity import NodeIdentity
from rota.engine.worker import Worker
from rota.errors import RunCancelledError
from rota.store import Store, Transaction

EVERY_SECONDS = 0.25


class Watcher:
    """The duty that tells bodies of a request to stop, and writes down how far they are."""

    name = "watcher"

    def __init__(self, store: Store, identity: NodeIdentity, worker: Worker) -> None:
        self.interval = EVERY_SECONDS
        self._store = store
        self._identity = identity
        self._worker = worker

    def tick(self) -> bool:
        if not self._worker.running:
            return False
        self._look_for_cancels()
        self._keep()
        return False

    def _look_for_cancels(self) -> None:
        with self._store.read() as tx:
            asked = tx.all("runs.cancel_requests", node=self._identity.id)
        for run_id, attempt, by in asked:
            run = self._worker.running.get((run_id, attempt))
            if run is not None:
                run.interrupt(RunCancelledError(f"cancelled by {by}" if by else "cancelled"))

    def _keep(self) -> None:
        """Progress, memory, and log lines so far, for who looks on."""
        runs = [run for run in list(self._worker.running.values()) if run.started_us]
        for run in runs[:64]:
            run.measure()
        moved = [run for run in runs if run.progress_changed]
        chatty = [run for run in runs if run.log_lines.changed]
        if moved or chatty:
            with self._store.write() as tx:
                self._save(tx, moved, chatty)

    def _save(self, tx: Transaction, moved: list[Run], chatty: list[Run]) -> None:
        for run in moved:
            run.progress_changed = False
        for run in chatty:
            run.log_lines.changed = False
        if moved:
            rows = [(run.id, run.attempt, run.progress_done, run.progress_total, run.peak_rss) for run in moved]
            tx.rows("runs.save_progress", rows, node=self._identity.id)
        if chatty:
            tx.rows("runs.save_logs", [(run.id, run.attempt, run.log_lines.text()) for run in chatty])
