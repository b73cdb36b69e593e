"""Looking at runs and steering them, by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from rota.engine.signals import give
from rota.errors import ConflictError, NotFoundError
from rota.explain import rates
from rota.model.edge import Count, Name, checked
from rota.model.event import Event, run_event
from rota.model.policy import choice
from rota.model.run import ENDED, AttemptRecord, RunRecord, RunState
from rota.model.signal import SignalRecord, approval_of
from rota.model.step import StepRecord
from rota.store import Store, Transaction, attempts, batches, events, logs, runs, signals, steps

_BATCH = ("id", "job", "total", "succeeded", "failed", "cancelled", "created_at", "finished_at")
State = Annotated[str, choice(RunState)]


@checked
class Runs:
    """``rota.runs``: pages of runs, one run with all that is known of it; approve, refuse, cancel, retry, dismiss."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(
        self,
        *,
        state: State | None = None,
        job: str | None = None,
        queue: str | None = None,
        schedule: str | None = None,
        before: int | None = None,
        limit: Count = 50,
    ) -> list[RunRecord]:
        """Newest first; go on with ``before`` = the last id."""
        with self._store.read() as tx:
            return runs.page(tx, state=state, job=job, queue=queue, schedule=schedule, before=before, limit=limit)

    def get(self, run_id: int) -> RunRecord:
        with self._store.read() as tx:
            return _found(runs.get(tx, run_id), run_id)

    def attempts(self, run_id: int) -> list[AttemptRecord]:
        """Every attempt that began, in order, however it ended; the one under way is the last."""
        with self._store.read() as tx:
            return attempts.of_run(tx, _found(runs.get(tx, run_id), run_id))

    def logs(self, run_id: int) -> dict[int, str]:
        """The captured lines of each attempt that wrote any."""
        with self._store.read() as tx:
            return logs.of_run(tx, run_id)

    def events(self, run_id: int) -> list[Event]:
        with self._store.read() as tx:
            return events.of_run(tx, run_id)

    def signals(self, run_id: int) -> list[SignalRecord]:
        """What it was given, and what it waited for in vain, in the order in which that came."""
        with self._store.read() as tx:
            return signals.of_run(tx, run_id)

    def steps(self, run_id: int) -> list[StepRecord]:
        """The steps of its body that are done, in order."""
        with self._store.read() as tx:
            return steps.of_run(tx, run_id)

    def approve(self, run_id: int, by: Name, why: str | None = None, signal: Name | None = None) -> RunState:
        """Say yes to a run that waits for it, or will: as ``rota.signal`` with the data ``{"approved": True}``.

        Without a name it is the one that the run waits for, ``approval`` or ``approval:…``.
        """
        return give(self._store, run_id, signal or self._approval(run_id), {"approved": True}, by=by, why=why)

    def refuse(self, run_id: int, by: Name, why: str | None = None, signal: Name | None = None) -> RunState:
        """Say no: as ``rota.signal`` with the data ``{"approved": False}``. What follows is up to the body."""
        return give(self._store, run_id, signal or self._approval(run_id), {"approved": False}, by=by, why=why)

    def _approval(self, run_id: int) -> str:
        return approval_of(self.get(run_id).waits_for)

    def cancel(self, run_id: int, by: str) -> RunState:
        """Cancel a waiting run, or ask a running one to stop. Returns the state it is in now.

        Raises:
            ConflictError: it is over.
        """
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _locked(tx, run_id)
            waiting = (RunState.SCHEDULED, RunState.AVAILABLE, RunState.WAITING)
            if record.state in waiting and runs.close(tx, run_id, now, by):
                self._move_in_batch(tx, record, 0, 1)
                if record.limit_key is not None:
                    runs.release(tx, [record.limit_key])
                self._tell(tx, "run.cancelled", run_id, by, now)
                state = RunState.CANCELLED
            elif runs.request_cancel(tx, run_id, now, by):
                self._tell(tx, "run.cancel_requested", run_id, by, now)
                state = RunState.RUNNING
            else:
                raise ConflictError(
                    f"run {run_id} is {record.state} already", hint="Only a run that is not over can be cancelled."
                )
            tx.announce()
        return state

    def retry(self, run_id: int, by: str, afresh: bool = False) -> None:
        """Send a run that ended badly back to its queue, counts of failures and crashes at zero; it expires no more.

        Its checkpoint, its steps and the signals that it was given stay; ``afresh``: they are forgotten.
        """
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _locked(tx, run_id)
            if not runs.retry(tx, run_id, now, afresh=afresh):
                raise _not_retried(record)
            self._move_in_batch(tx, record, -1 if record.state == RunState.FAILED else 0,
                                -1 if record.state in {RunState.CANCELLED, RunState.EXPIRED} else 0)  # fmt: skip
            signals.forget_time_outs(tx, run_id)
            if afresh:
                signals.delete(tx, [run_id])
                steps.delete(tx, [run_id])
            self._tell(tx, "run.retried_by_hand", run_id, by, now, **({"afresh": True} if afresh else {}))
            tx.announce()

    def dismiss(self, run_id: int, by: str) -> None:
        """Close a dead letter: the run is cancelled and no longer listed among them."""
        now = self._store.now_us()
        with self._store.write() as tx:
            record = _locked(tx, run_id)
            if record.state != RunState.FAILED or not runs.close(tx, run_id, now, by):
                raise ConflictError(
                    f"run {run_id} is {record.state}, not failed", hint="See the dead letters: rota dead ls"
                )
            self._move_in_batch(tx, record, -1, 1)
            self._tell(tx, "run.dismissed", run_id, by, now)

    def batch(self, batch_id: int) -> dict[str, Any]:
        """The counts of a batch. Raises ``NotFoundError``."""
        with self._store.read() as tx:
            batch = batches.get(tx, batch_id)
        if batch is None:
            raise NotFoundError(f"there is no batch {batch_id}")
        return {name: getattr(batch, name) for name in _BATCH}

    @staticmethod
    def _move_in_batch(tx: Transaction, record: RunRecord, failed: int, cancelled: int) -> None:
        """Keep the counts of a batch what its children are."""
        if record.batch_id is not None:
            batches.count(tx, {record.batch_id: Counter(failed=failed, cancelled=cancelled)})

    @staticmethod
    def _tell(tx: Transaction, kind: str, run_id: int, by: str, now: int, **data: object) -> None:
        tx.events.append(run_event(kind, run_id, now, actor=by, data=data))


def kept_back(store: Store, records: Sequence[RunRecord]) -> dict[int, str]:
    """Those of them that a rate keeps from starting now, by id, with all that does: ``rate 2/m``."""
    with store.read() as tx:
        kept = rates.used_up(tx, store.now_us())
    return {record.id: note for record in records if (note := kept.note(record))}


def _locked(tx: Transaction, run_id: int) -> RunRecord:
    """The run as it stays until the transaction ends: nobody claims or ends it between the look and the change."""
    return _found(runs.lock(tx, run_id), run_id)


def _not_retried(record: RunRecord) -> ConflictError:
    if record.state in ENDED - {RunState.SUCCEEDED}:
        key = (record.unique_key or "").removeprefix(f"{record.job}:")
        return ConflictError(
            f"another run of {record.job} holds the key {key!r}", hint="Retry it once that one is over."
        )
    hint = "Only failed, cancelled and expired runs can be retried."
    return ConflictError(f"run {record.id} is {record.state}", hint=hint)


def _found(record: RunRecord | None, run_id: int) -> RunRecord:
    if record is None:
        raise NotFoundError(f"there is no run {run_id}", hint="See the newest ones: rota run ls")
    return record
