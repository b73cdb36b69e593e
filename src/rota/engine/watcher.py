"""Watches the attempts under way: passes requests to cancel on, and keeps their progress where people can see it."""

from __future__ import annotations

import logging
import time

from rota.engine.identity import NodeIdentity
from rota.engine.inflight import InFlight
from rota.errors import RunCancelledError
from rota.executors.loop import Blocking
from rota.executors.port import Underway
from rota.executors.thread import ThreadExecutor
from rota.model.node import Blocked
from rota.model.run import Progress
from rota.store import Store, Transaction, attempts, logs, nodes

logger = logging.getLogger("rota.engine")
EVERY_SECONDS = 0.25
MEASURED_AT_MOST = 64


class Watcher:
    """The duty that tells bodies of a request to stop, and writes down how far they are, and who is in the way."""

    name = "watcher"

    def __init__(self, store: Store, identity: NodeIdentity, inflight: InFlight, executor: ThreadExecutor) -> None:
        self.interval = EVERY_SECONDS
        self._store = store
        self._identity = identity
        self._inflight = inflight
        self._executor = executor
        self._blocking: Blocking | None = None
        self._saved: Underway | None = None
        """The attempt that the ledger says is in the way."""

    def tick(self) -> bool:
        self._look_at_the_loop()
        if len(self._inflight):
            self._look_for_cancels()
            self._keep()
        return False

    def _look_at_the_loop(self) -> None:
        """Say who blocks the event loop, once in the log, and in the ledger for as long as it lasts."""
        before, now = self._blocking, self._executor.blocking()
        if _attempt(now) is not _attempt(before):
            _tell(before, now)
            self._blocking = now
        if _attempt(now) is not self._saved:
            with self._store.write() as tx:
                nodes.save_blocking(tx, self._identity.id, None if now is None else self._blocked(now))
            self._saved = _attempt(now)

    def _blocked(self, blocking: Blocking) -> Blocked:
        run = blocking.attempt.envelope
        since = self._store.now_us() - int((time.monotonic() - blocking.since) * 1_000_000)
        return Blocked(run=run.id, job=run.job, since=since, where=blocking.where)

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


_IN_THE_WAY = (
    "%s blocks the event loop, at %s: no other async def of this node goes on;"
    " await what waits, as in await asyncio.to_thread(…), or write def"
)


def _tell(before: Blocking | None, now: Blocking | None) -> None:
    if before is not None:
        took = time.monotonic() - before.since
        logger.warning("%s let go of the event loop, after %.1f s", _named(before), took)
    if now is not None:
        logger.warning(_IN_THE_WAY, _named(now), now.where)


def _attempt(blocking: Blocking | None) -> Underway | None:
    return None if blocking is None else blocking.attempt


def _named(blocking: Blocking) -> str:
    run = blocking.attempt.envelope
    return f"{run.job}, run {run.id},"


def _progress(attempt: Underway) -> Progress:
    run_id, claim = attempt.key
    progress = attempt.progress
    return Progress(id=run_id, claim=claim, done=progress.done, total=progress.total, peak_rss=attempt.peak_rss)
