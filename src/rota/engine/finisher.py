"""Ends attempts in the ledger: many in one transaction, with all that hangs on them.

What an outcome leads to is decided here, once::

    Succeeded            succeeded
    Snoozed              scheduled, later; not counted
    Cancelled            cancelled
    Failed, retries left scheduled, after the job's delay
    Failed otherwise     failed: the dead letter
    RunTimedOutError     as Failed
    RunCancelledError    cancelled
    RunLostError         available: handed back; not counted
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Sequence

from rota.engine.attempt import describe, result_text
from rota.engine.context import Run
from rota.engine.events import Listeners
from rota.engine.logs import LogLines
from rota.engine.tally import Tally
from rota.errors import Interrupted, RunCancelledError, RunLostError, RunTimedOutError, StoreUnreachableError
from rota.model.event import Event, run_event
from rota.model.node import NodeSettings, resident_bytes
from rota.model.outcome import Cancelled, Failed, Outcome, Snoozed, Succeeded
from rota.model.run import RunState
from rota.store import Store, Transaction, runs
from rota.store.database import Row
from rota.store.runs import FailedAttempt, Settled

logger = logging.getLogger("rota.engine")
MOST_AT_ONCE = 1_000


class Finisher:
    """The duty that commits outcomes; workers hand runs over with ``add``."""

    name = "finisher"

    def __init__(self, store: Store, listeners: Listeners, settings: NodeSettings, shard: int) -> None:
        self.interval = settings.heartbeat
        self.wake: Callable[[], None] = lambda: None
        self.committed = threading.Condition()
        self.capped: Callable[[], Collection[str]] = tuple
        """The queues with a limit of their own, where an end lets the next run begin: the worker tells."""
        self._store = store
        self._listeners = listeners
        self._linger = 0.0 if store.manual else settings.linger
        self._most_bytes = settings.result_bytes
        self._shard = shard
        self._waiting: deque[Run] = deque()
        self._ticking = threading.Lock()

    def add(self, run: Run) -> None:
        self._waiting.append(run)
        if len(self._waiting) == 1:
            self.wake()

    @property
    def empty(self) -> bool:
        return not self._waiting

    def waiting(self) -> set[tuple[int, int]]:
        return {(run.id, run.attempt) for run in self._waiting.copy()}

    def tick(self) -> bool:
        """Commit what has gathered. What could not be committed stays, in order, for the next tick."""
        with self._ticking:  # while a node stops, two threads may come
            return self._tick()

    def _tick(self) -> bool:
        if not self._waiting:
            return False
        if self._linger and len(self._waiting) < MOST_AT_ONCE // 4:
            time.sleep(self._linger)
        batch = [self._waiting[place] for place in range(min(len(self._waiting), MOST_AT_ONCE))]
        try:
            self._commit_and_tell(batch)
        except StoreUnreachableError:
            raise
        except Exception:
            logger.exception("the ends of %d runs could not be committed together", len(batch))
            for run in batch:
                self._commit_alone(run)
        return bool(self._waiting)

    def _commit_and_tell(self, batch: Sequence[Run]) -> None:
        self._commit(batch)
        for _ in batch:
            self._waiting.popleft()
        with self.committed:
            self.committed.notify_all()

    def _commit_alone(self, run: Run) -> None:
        """What one run left behind cannot be stored: that is its failure, and keeps no other from its end."""
        try:
            self._commit_and_tell([run])
        except StoreUnreachableError:
            raise
        except Exception as error:
            logger.exception("the end of run %d could not be committed", run.id)
            run.outcome = Failed(f"its outcome could not be stored: {describe(error)}")
            run.traceback = None
            run.log_lines = LogLines(0, 0)
            run.progress_changed = False
            self._commit_and_tell([run])

    def _commit(self, ended: Sequence[Run]) -> None:
        rss = resident_bytes()
        capped = self.capped()
        by_node: dict[str, list[Run]] = defaultdict(list)
        for run in ended:
            by_node[run.node_id].append(run)
        with self._store.write() as tx:
            for node, mine in by_node.items():
                batch = _Batch(node, mine, rss, self._store.now_us(), self._most_bytes, self._listeners)
                batch.commit(tx, self._shard)
            if capped and any(run.claim.queue in capped for run in ended):
                tx.announce()


class _Batch:
    """The attempts of one node identity that end in one transaction."""

    def __init__(
        self, node: str, ended: list[Run], rss: int | None, now: int, most_bytes: int, listeners: Listeners
    ) -> None:
        self.node = node
        self.ended = ended
        self.now = now
        self.rss = rss
        self.most_bytes = most_bytes
        self.listeners = listeners
        self.good: list[Row] = []
        self.other: list[Settled] = []
        self.attempts: list[FailedAttempt] = []
        self.events: list[Event] = []
        self.announce = False

    def commit(self, tx: Transaction, shard: int) -> None:
        verdicts = [self._sort(run) for run in self.ended]
        self._save_progress(tx)
        accepted = runs.succeed(tx, self.node, self.good) if self.good else set()
        if self.other:
            settled = runs.settle(tx, self.node, self.other, self.now)
            accepted |= settled.keys()
            verdicts = [self._stopped(run, v, settled.get(run.id)) for run, v in zip(self.ended, verdicts, strict=True)]
        if len(accepted) < len(self.ended):
            self._refuse(accepted)
        self._keep(tx, shard, [(run, v) for run, v in zip(self.ended, verdicts, strict=True) if run.id in accepted])
        tx.told += self.events

    def _save_progress(self, tx: Transaction) -> None:
        """The last word on it, which came after the watcher looked; before the ends, as it is for running runs."""
        rows = [
            (r.id, r.attempt, r.progress_done, r.progress_total, r.peak_rss) for r in self.ended if r.progress_changed
        ]
        if rows:
            tx.rows("runs.save_progress", rows, node=self.node)

    def _keep(self, tx: Transaction, shard: int, accepted: list[tuple[Run, str]]) -> None:
        if self.attempts:
            runs.add_attempts(tx, self.attempts)
        logs = [(r.id, r.attempt, r.log_lines.text()) for r in self.ended if r.log_lines.lines]
        if logs:
            tx.rows("runs.save_logs", logs)
        tally = Tally()
        freed: Counter[str] = Counter()
        batches: dict[int, Counter[str]] = defaultdict(Counter)
        for run, verdict in accepted:
            claim = run.claim
            tally.add(claim.job, verdict, run.started_us, run.ended_us, claim.due_at)
            if claim.limit_key is not None:
                freed[claim.limit_key] += 1
            if claim.batch_id is not None and verdict in {"succeeded", "failed", "cancelled"}:
                batches[claim.batch_id][verdict] += 1
        tally.save(tx, shard)
        if freed:
            runs.release_keys(tx, freed)
        runs.count_batches(tx, batches)
        if freed or batches or self.announce:
            tx.announce()

    def _sort(self, run: Run) -> str:
        """Make the row that ends this attempt; returns the verdict it is counted under."""
        outcome = run.outcome
        if isinstance(outcome, Succeeded):
            value = result_text(run, outcome.value, self.most_bytes)
            peak = max(self.rss or 0, run.peak_rss or 0) or None
            self.good.append((run.id, run.attempt, run.started_us, run.ended_us, value, peak))
            if self.listeners.wants("run.succeeded"):
                self._tell(run, "run.succeeded", attempt=run.attempt)
            if isinstance(run.interrupted, RunTimedOutError):
                took = (run.ended_us - run.started_us) / 1_000_000
                self._tell(run, "run.overran", attempt=run.attempt, took=took, timeout=run.job_spec.timeout)
            return "succeeded"
        return self._settle(run, outcome)

    def _settle(self, run: Run, outcome: Outcome | Interrupted | None) -> str:
        match outcome:
            case Snoozed(delay, reason):
                self._attempt(run, "snoozed", reason)
                self._tell(run, "run.snoozed", seconds=delay.total_seconds(), reason=reason)
                return self._again(run, "snoozed", self.now + int(delay.total_seconds() * 1_000_000), reason)
            case Cancelled(reason):
                return self._cancelled(run, reason or "the body gave up")
            case RunCancelledError():
                return self._cancelled(run, str(outcome))
            case RunLostError():
                self.announce = True
                self._attempt(run, "handed_back", str(outcome))
                self._end(run, RunState.AVAILABLE, run.claim.due_at, None, str(outcome), run.claim.failures)
                return "handed_back"
            case Interrupted():
                self._tell(run, "run.timed_out", attempt=run.attempt, error=str(outcome))
                return self._failed(run, Failed(str(outcome)), "timed_out")
            case Failed():
                return self._failed(run, outcome, "failed")
        return self._failed(run, Failed(f"the attempt ended without an outcome: {outcome!r}"), "failed")

    def _failed(self, run: Run, outcome: Failed, told_as: str) -> str:
        failures = run.claim.failures + 1
        retry = run.job_spec.retry
        self._attempt(run, told_as, outcome.error)
        if not outcome.permanent and failures < retry.attempts:
            wait = outcome.retry_after.total_seconds() if outcome.retry_after is not None else retry.delay(failures)
            due_at = self.now + int(wait * 1_000_000)
            self._tell(
                run,
                "run.retried",
                attempt=run.attempt,
                error=outcome.error,
                failures=failures,
                seconds=round(wait, 3),
            )
            self._end(run, RunState.SCHEDULED, due_at, None, outcome.error, failures)
            return "retried"
        self._tell(run, "run.failed", attempt=run.attempt, error=outcome.error, failures=failures)
        self._end(run, RunState.FAILED, run.claim.due_at, run.ended_us, outcome.error, failures)
        return "failed"

    def _cancelled(self, run: Run, reason: str) -> str:
        self._attempt(run, "cancelled", reason)
        self._tell(run, "run.cancelled", attempt=run.attempt, reason=reason)
        self._end(run, RunState.CANCELLED, run.claim.due_at, run.ended_us, reason, run.claim.failures)
        return "cancelled"

    def _again(self, run: Run, verdict: str, due_at: int, reason: str) -> str:
        self._end(run, RunState.SCHEDULED, due_at, None, reason or None, run.claim.failures)
        return verdict

    def _stopped(self, run: Run, verdict: str, state: str | None) -> str:
        """Somebody asked the run to stop while its attempt ended in another way: it is not tried again."""
        if state != RunState.CANCELLED or verdict == "cancelled":
            return verdict
        self.events = [each for each in self.events if each.run_id != run.id or each.kind == "run.timed_out"]
        self._tell(run, "run.cancelled", attempt=run.attempt, reason=f"asked for; the attempt had {verdict}")
        return "cancelled"

    def _end(
        self,
        run: Run,
        state: RunState,
        due_at: int,
        finished_at: int | None,
        error: str | None,
        failures: int,
    ) -> None:
        self.other.append(
            Settled(
                id=run.id,
                attempt=run.attempt,
                state=state,
                due_at=due_at,
                started_at=run.started_us or None,
                finished_at=finished_at,
                error=error,
                failures=failures,
                peak_rss=max(self.rss or 0, run.peak_rss or 0) or None,
            )
        )

    def _attempt(self, run: Run, outcome: str, error: str) -> None:
        self.attempts.append(
            FailedAttempt(
                run_id=run.id,
                number=run.attempt,
                node=run.node_id,
                started_at=run.started_us,
                finished_at=run.ended_us,
                outcome=outcome,
                error=error,
                traceback=run.traceback,
            )
        )

    def _refuse(self, accepted: set[int]) -> None:
        """An attempt that had lost its run: its result is not taken, and that is written down."""
        refused = {run.id for run in self.ended} - accepted
        self.attempts = [each for each in self.attempts if each.run_id not in refused]
        self.events = [event for event in self.events if event.run_id not in refused]
        for run in self.ended:
            if run.id in refused:
                outcome = type(run.outcome).__name__
                self._tell(run, "run.refused", attempt=run.attempt, node=run.node_id, outcome=outcome)

    def _tell(self, run: Run, kind: str, **data: object) -> None:
        self.events.append(run_event(kind, run.id, self.now, data={"job": run.job, **data}))
