"""Ends attempts in the ledger: many in one transaction, with all that hangs on them.

What an end leads to is decided here, once::

    succeeded              succeeded
    snoozed                scheduled, later; not counted
    cancelled              cancelled
    failed, retries left   scheduled, after the job's delay
    failed otherwise       failed: the dead letter
    timed out, memory      as failed
    crashed                scheduled, after the job's delay; the third time, failed: it is quarantined
    handed back            available; not counted
    to be tried again, and asked to stop   cancelled
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from rota.body.attempt import describe
from rota.engine.claimer import Claimer
from rota.engine.events import Listeners
from rota.engine.failures import FailureLog
from rota.engine.inflight import InFlight, Over
from rota.engine.tally import Tally
from rota.errors import StoreUnreachableError
from rota.executors.port import Underway
from rota.model.attempt import End, Ended
from rota.model.event import Event, run_event
from rota.model.node import NodeSettings
from rota.model.process import resident_bytes
from rota.model.retry import CRASH_LIMIT
from rota.model.run import AttemptRecord, Progress, RunState, Settled
from rota.shown import counted
from rota.store import Store, Transaction, attempts, batches, logs, runs
from rota.store.database import Work
from rota.store.rows import Row

logger = logging.getLogger("rota.engine")
MOST_AT_ONCE = 1_000
AS_CHILD = {"succeeded": "succeeded", "failed": "failed", "quarantined": "failed", "cancelled": "cancelled"}
"""What the verdicts that end a run count as in its batch."""


class Finisher:
    """The duty that commits ends."""

    name = "finisher"

    def __init__(
        self,
        store: Store,
        inflight: InFlight,
        claimer: Claimer,
        listeners: Listeners,
        settings: NodeSettings,
        shard: int,
    ) -> None:
        self.interval = settings.heartbeat
        self._store = store
        self._inflight = inflight
        self._claimer = claimer
        self._listeners = listeners
        self._linger = 0.0 if store.manual else settings.linger
        self._shard = shard
        self._ticking = threading.Lock()
        self.failures = FailureLog()

    def tick(self) -> bool:
        """Commit what has gathered. What could not be committed stays, in order, for the next tick."""
        with self._ticking:  # while a node stops, two threads may come
            return self._tick()

    def _tick(self) -> bool:
        inflight = self._inflight
        self.failures.flush()
        if not inflight.uncommitted:
            return False
        if self._linger and inflight.uncommitted < MOST_AT_ONCE // 4:
            time.sleep(self._linger)
        batch = inflight.ends(MOST_AT_ONCE)
        try:
            self._commit(batch)
        except StoreUnreachableError:
            raise
        except Exception:
            logger.exception("the ends of %s could not be committed together", counted(len(batch), "run"))
            for over in batch:
                self._commit_alone(over)
        return inflight.uncommitted > 0

    def _commit_alone(self, over: Over) -> None:
        """What one run left behind cannot be stored: that is its failure, and keeps no other from its end."""
        try:
            self._commit([over])
        except StoreUnreachableError:
            raise
        except Exception as error:
            logger.exception("the end of run %d could not be committed", over.attempt.envelope.id)
            text = f"its outcome could not be stored: {describe(error)}"
            plain = Ended(End.FAILED, over.ended.started_at, over.ended.finished_at, error=text)
            self._commit([Over(over.attempt, plain)])

    def _commit(self, batch: Sequence[Over]) -> None:
        rss = resident_bytes()
        capped = self._claimer.capped
        by_node: dict[str, list[Over]] = defaultdict(list)
        for over in batch:
            by_node[over.attempt.envelope.node].append(over)
        done: list[tuple[Over, str]] = []
        with self._store.write() as tx:
            for node, mine in by_node.items():
                done += Ending(node, mine, rss, self._store.now_us(), self._listeners).commit(tx, self._shard)
            if capped:
                _announce_capped(tx, batch, capped)
        self._inflight.commit(len(batch))
        self.failures.tell(done)


class Ending:
    """The attempts of one node identity that end in one transaction."""

    def __init__(self, node: str, over: list[Over], rss: int | None, now: int, listeners: Listeners) -> None:
        self.node = node
        self.over = over
        self.now = now
        self.rss = rss or 0
        self.tells_success = listeners.wants("run.succeeded")
        self.good: list[Row] = []
        self.other: list[Settled] = []
        self.attempts: list[AttemptRecord] = []
        self.events: list[Event] = []
        self.announce = False

    def commit(self, tx: Transaction, shard: int) -> list[tuple[Over, str]]:
        """Returns those that were accepted, each with its verdict."""
        verdicts = [self._sort(over) for over in self.over]
        self._save_progress(tx)
        accepted = runs.succeed(tx, self.node, self.good) if self.good else set()
        if self.other:
            settled = runs.settle(tx, self.node, self.other, self.now)
            accepted |= settled.keys()
            verdicts = [
                self._stopped(over, verdict, settled.get(over.attempt.envelope.id))
                for over, verdict in zip(self.over, verdicts, strict=True)
            ]
        done = list(zip(self.over, verdicts, strict=True))
        if len(accepted) < len(self.over):
            self._refuse(tx, accepted, verdicts)
            done = [(over, verdict) for over, verdict in done if over.attempt.envelope.id in accepted]
        self._keep(tx, shard, done)
        tx.events += self.events
        return done

    def _save_progress(self, tx: Transaction) -> None:
        """Before the ends, as it is taken from running attempts only."""
        moved = [_progress(*over) for over in self.over if over.ended.progress]
        if moved:
            attempts.save_progress(tx, self.node, moved)

    def _keep(self, tx: Transaction, shard: int, accepted: list[tuple[Over, str]]) -> None:
        if self.attempts:
            attempts.add(tx, self.attempts)
        written = [(run.envelope.id, run.envelope.attempt, ended.log) for run, ended in self.over if ended.log]
        if written:
            logs.save(tx, written)
        tally = Tally()
        freed: set[str] = set()
        ended_children: dict[int, Counter[str]] = defaultdict(Counter)
        for (attempt, ended), verdict in accepted:
            run = attempt.envelope
            if verdict == "quarantined":
                tally.count(ended.finished_at, run.job, "crashed")
            measure = AS_CHILD.get(verdict, verdict)
            tally.add(run.job, measure, ended.started_at, ended.finished_at, run.due_at)
            if run.limit_key is not None:
                freed.add(run.limit_key)
            if run.batch_id is not None and verdict in AS_CHILD:
                ended_children[run.batch_id][AS_CHILD[verdict]] += 1
        tally.save(tx, shard)
        if freed:
            runs.release(tx, freed)
        batches.count(tx, ended_children)
        if self.announce:
            tx.announce()

    def _sort(self, over: Over) -> str:
        """Make the row that ends this attempt; returns the verdict it is counted under."""
        attempt, ended = over
        if ended.end is not End.SUCCEEDED:
            return self._settle(over)
        run = attempt.envelope
        self.good.append((*attempt.key, ended.started_at, ended.finished_at, ended.result, self._peak(over)))
        if self.tells_success:
            self._event(over, "run.succeeded", attempt=run.attempt)
        if ended.overran:
            took = (ended.finished_at - ended.started_at) / 1_000_000
            self._event(over, "run.overran", attempt=run.attempt, took=took, timeout=attempt.job.timeout)
        return "succeeded"

    def _settle(self, over: Over) -> str:
        ended, run = over.ended, over.attempt.envelope
        self._attempt(over)
        match ended.end:
            case End.SNOOZED:
                wait = ended.wait or 0.0
                self._event(over, "run.snoozed", seconds=wait, reason=ended.error or "")
                self._end(over, RunState.SCHEDULED, due_at=self.now + int(wait * 1_000_000))
                return "snoozed"
            case End.CANCELLED:
                self._event(over, "run.cancelled", attempt=run.attempt, reason=ended.error)
                self._end(over, RunState.CANCELLED)
                return "cancelled"
            case End.HANDED_BACK:
                self.announce = True
                self._end(over, RunState.AVAILABLE)
                return "handed_back"
            case End.CRASHED:
                return self._crashed(over)
            case End.TIMED_OUT:
                self._event(over, "run.timed_out", attempt=run.attempt, error=ended.error)
        return self._failed(over)

    def _crashed(self, over: Over) -> str:
        """Its own process died, and took nothing else with it: so it is known who did it."""
        ended, run = over.ended, over.attempt.envelope
        crashes = run.crashes + 1
        data = {"attempt": run.attempt, "error": ended.error, "crashes": crashes}
        if crashes >= CRASH_LIMIT:
            self._event(over, "run.quarantined", **data)
            self._end(over, RunState.FAILED, crashes=crashes)
            return "quarantined"
        wait = over.attempt.job.retry.delay(crashes)
        self._event(over, "run.crashed", **data, seconds=round(wait, 3))
        self._end(over, RunState.SCHEDULED, due_at=self.now + int(wait * 1_000_000), crashes=crashes)
        return "crashed"

    def _failed(self, over: Over) -> str:
        attempt, ended = over
        failures = attempt.envelope.failures + 1
        retry = attempt.job.retry
        data: dict[str, object] = {"attempt": attempt.envelope.attempt, "error": ended.error, "failures": failures}
        if ended.result is not None:
            data["result"] = json.loads(ended.result)
        if not ended.permanent and failures < retry.attempts:
            wait = retry.delay(failures) if ended.wait is None else ended.wait
            self._event(over, "run.retried", **data, seconds=round(wait, 3))
            self._end(over, RunState.SCHEDULED, due_at=self.now + int(wait * 1_000_000), failures=failures)
            return "retried"
        self._event(over, "run.failed", **data)
        self._end(over, RunState.FAILED, failures=failures)
        return "failed"

    def _stopped(self, over: Over, verdict: str, state: str | None) -> str:
        """Somebody asked the run to stop while its attempt ended in another way: it is not tried again."""
        if state != RunState.CANCELLED or verdict == "cancelled":
            return verdict
        run = over.attempt.envelope
        self.events = [each for each in self.events if each.run_id != run.id or each.kind == "run.timed_out"]
        self._event(over, "run.cancelled", attempt=run.attempt, reason=f"asked for; the attempt had {verdict}")
        return "cancelled"

    def _end(
        self,
        over: Over,
        state: RunState,
        *,
        due_at: int | None = None,
        failures: int | None = None,
        crashes: int | None = None,
    ) -> None:
        ended, run = over.ended, over.attempt.envelope
        self.other.append(
            Settled(
                id=run.id,
                claim=run.claim,
                state=state,
                due_at=run.due_at if due_at is None else due_at,
                started_at=ended.started_at or None,
                finished_at=ended.finished_at if state.ended else None,
                error=ended.error,
                failures=run.failures if failures is None else failures,
                crashes=run.crashes if crashes is None else crashes,
                peak_rss=self._peak(over),
                result=ended.result,
            )
        )

    def _attempt(self, over: Over) -> None:
        """Keep it beside the run; not one whose body never began."""
        ended, run = over.ended, over.attempt.envelope
        if not ended.started_at:
            return
        self.attempts.append(
            AttemptRecord(
                run_id=run.id,
                number=run.attempt,
                node=run.node,
                started_at=ended.started_at,
                finished_at=ended.finished_at,
                outcome=ended.end,
                error=ended.error,
                traceback=ended.traceback,
            )
        )

    def _peak(self, over: Over) -> int | None:
        """Of the process that the body was in: its own, or this one."""
        measured = over.ended.peak_rss
        return measured if over.attempt.kind == "process" else max(self.rss, measured or 0) or None

    def _refuse(self, tx: Transaction, accepted: set[int], verdicts: list[str]) -> None:
        """An attempt that had lost its run: its result is not taken, and that is written down.

        Not so one whose end was taken already, by a commit whose answer was lost: that is told now, to listeners.
        """
        rest = [over for over in self.over if over.attempt.envelope.id not in accepted]
        taken = attempts.ended_by(tx, self.node, [_end_of(over) for over in rest])
        for over, verdict in zip(self.over, verdicts, strict=True):
            self._stopped(over, verdict, taken.get(over.attempt.envelope.id))
        tx.late_events += [event for event in self.events if event.run_id in taken]
        refused = {over.attempt.envelope.id for over in rest}
        self.attempts = [each for each in self.attempts if each.run_id not in refused]
        self.events = [event for event in self.events if event.run_id not in refused]
        for over in self.over:
            run = over.attempt.envelope
            if run.id in refused - taken.keys() and over.ended.started_at:
                self._event(over, "run.refused", attempt=run.attempt, node=run.node, outcome=str(over.ended.end))

    def _event(self, over: Over, kind: str, **data: object) -> None:
        job, run_id = over.attempt.envelope.job, over.attempt.envelope.id
        self.events.append(run_event(kind, run_id, self.now, data={"job": job, **data}))


def _announce_capped(tx: Transaction, batch: Sequence[Over], capped: frozenset[str]) -> None:
    """In a queue that may run only so many at one time, each end lets another run begin."""
    ended = [over.attempt.envelope.queue for over in batch]
    work: Work = Counter((queue, None) for queue in ended if queue in capped)
    if work:
        tx.announce(work)


def _end_of(over: Over) -> tuple[int, int, int, str]:
    run = over.attempt.envelope
    return *run.key, run.attempt, str(over.ended.end)


def _progress(attempt: Underway, ended: Ended) -> Progress:
    run_id, claim = attempt.key
    done, total = ended.progress or (None, None)
    return Progress(id=run_id, claim=claim, done=done, total=total, peak_rss=ended.peak_rss)
