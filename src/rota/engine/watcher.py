"""Watches the attempts under way: passes requests to cancel on, and keeps their progress where people can see it."""

from __future__ import annotations

from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.errors import RunCancelledError
from rota.executors.port import Underway
from rota.store import Store, Transaction

EVERY_SECONDS = 0.25
MEASURED_AT_MOST = 64


class Watcher:
    """The duty that tells bodies of a request to stop, and writes down how far they are."""

    name = "watcher"

    def __init__(self, store: Store, identity: NodeIdentity, inflight: InFlight) -> None:
        self.interval = EVERY_SECONDS
        self._store = store
        self._identity = identity
        self._inflight = inflight

    def tick(self) -> bool:
        if len(self._inflight):
            self._look_for_cancels()
            self._keep()
        return False

    def _look_for_cancels(self) -> None:
        with self._store.read() as tx:
            asked = tx.all("runs.cancel_requests", node=self._identity.id)
        for run_id, number, by in asked:
            attempt = self._inflight.get((run_id, number))
            if attempt is not None:
                attempt.interrupt(RunCancelledError(f"cancelled by {by}" if by else "cancelled"))

    def _keep(self) -> None:
        """Progress, memory, and the log lines so far."""
        begun = [attempt for attempt in self._inflight if attempt.started_us]
        for attempt in begun[:MEASURED_AT_MOST]:
            attempt.measure()
        moved = [attempt for attempt in begun if attempt.progress.changed]
        chatty = [attempt for attempt in begun if attempt.lines.changed]
        if moved or chatty:
            with self._store.write() as tx:
                self._save(tx, moved, chatty)

    def _save(self, tx: Transaction, moved: list[Underway], chatty: list[Underway]) -> None:
        for attempt in moved:
            attempt.progress.changed = False
        for attempt in chatty:
            attempt.lines.changed = False
        if moved:
            rows = [(*each.envelope.key, each.progress.done, each.progress.total, each.peak_rss) for each in moved]
            tx.rows("runs.save_progress", rows, node=self._identity.id)
        if chatty:
            tx.rows("runs.save_logs", [(*each.envelope.key, each.lines.text()) for each in chatty])
