"""What the ends of attempts lead to, decided once, and all that hangs on them::

succeeded              succeeded
snoozed                scheduled, later; not counted
waits for a signal     waiting; not counted. What came before lets it go on at once
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
from collections import Counter, defaultdict
from typing import Any

from rota.engine.events import Listeners
from rota.engine.inflight import Over
from rota.engine.tally import Tally
from rota.executors.port import Underway
from rota.model.attempt import End, Ended
from rota.model.event import Event, run_event
from rota.model.retry import CRASH_LIMIT
from rota.model.run import AttemptRecord, Progress, RunState, Settled
from rota.model.signal import Wait
from rota.store import Transaction, attempts, batches, logs, runs
from rota.store.rows import Row

AS_CHILD = {"succeeded": "succeeded", "failed": "failed", "quarantined": "failed", "cancelled": "cancelled"}
"""What the verdicts that end a run count as in its batch."""


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
        self.verdicts = [self._sort(each) for each in over]

    def commit(self, tx: Transaction, shard: int) -> list[tuple[Over, str]]:
        """Returns those that were accepted, each with its verdict."""
        verdicts = self.verdicts
        self._save_progress(tx)
        accepted = runs.succeed(tx, self.node, self.good) if self.good else set()
        if self.other:
            settled = runs.settle(tx, self.node, self.other, self.now)
            accepted |= settled.keys()
            if waiting := [run for run, state in settled.items() if state == RunState.WAITING]:
                runs.wake(tx, waiting, self.now)  # for a signal that came before
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
            tally.add(run.job, measure, ended.started_at, ended.finished_at, run.wanted_at)
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
            case End.WAITING if ended.waits is not None:
                return self._waits(over, Wait(*ended.waits))
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

    def _waits(self, over: Over, wait: Wait) -> str:
        until = None if wait.timeout is None else self.now + int(wait.timeout * 1_000_000)
        told = {"signal": wait.name, "until": until, "about": wait.about}
        self._event(over, "run.waiting", attempt=over.attempt.envelope.attempt, **told)
        keeps = 1 if over.attempt.job.keeps_place(over.attempt.envelope.limit_key) else None
        waits: dict[str, Any] = {
            "waits_for": wait.name,
            "waits_until": until,
            "waits_about": wait.about,
            "keeps_place": keeps,
        }
        self._end(over, RunState.WAITING, **waits)
        return "waiting"

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
        **waits: Any,
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
                **waits,
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


def _end_of(over: Over) -> tuple[int, int, int, str]:
    run = over.attempt.envelope
    return *run.key, run.attempt, str(over.ended.end)


def _progress(attempt: Underway, ended: Ended) -> Progress:
    run_id, claim = attempt.key
    done, total = ended.progress or (None, None)
    return Progress(id=run_id, claim=claim, done=done, total=total, peak_rss=ended.peak_rss)
