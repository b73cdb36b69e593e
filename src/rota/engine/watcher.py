"""Watches the attempts under way: passes requests to cancel on, and keeps their progress where people can see it."""

from __future__ import annotations

from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.errors import RunCancelledError
from rota.executors.port import Underway
from rota.model.run import Progress
from rota.store import Store, Transaction, attempts, logs

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
            asked = attempts.cancel_requests(tx, self._identity.id)
        for key, by in asked.items():
            attempt = self._inflight.get(key)
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
            attempts.save_progress(tx, self._identity.id, [_progress(each) for each in moved])
        if chatty:
            logs.save(tx, [(each.envelope.id, each.envelope.attempt, each.lines.text()) for each in chatty])


def _progress(attempt: Underway) -> Progress:
    run_id, claim = attempt.key
    progress = attempt.progress
    return Progress(id=run_id, claim=claim, done=progress.done, total=progress.total, peak_rss=attempt.peak_rss)
