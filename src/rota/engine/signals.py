"""Signals: given to runs that wait for them, or will; and made up for by a time-out, where nobody gives them.

A run begins to wait in the transaction that ends its attempt, and what is there by then lets it go on at once. A signal
holds the run's row while it is written down, so that of the two one sees the other. In the caller's own transaction it
does not: that may last, and ends of other runs would wait for it. What is missed so is found by the stager's sweep.
"""

from __future__ import annotations

from typing import Any

from rota.errors import ConflictError, NotFoundError
from rota.model import payload
from rota.model.event import Event, run_event
from rota.model.run import RunRecord, RunState, WaitedOut
from rota.model.signal import SignalRecord
from rota.store import Store, Transaction, events, runs, signals

DATA_BYTES = 65_536
"""So much a signal may carry, as JSON."""


def give(
    store: Store, run_id: int, name: str, data: Any, *, by: str | None, why: str | None, connection: Any = None
) -> RunState:
    """Give a run a signal. Returns the state that it is in now: ``available``, where it waited for it.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it is over, or it has a signal of this name.
        PayloadError: the data has no JSON form, or is too large.
    """
    text = None if data is None else payload.dump(data, "the signal's data", DATA_BYTES)
    new = SignalRecord(
        run_id=run_id,
        name=name,
        at=store.now_us(),
        timed_out_at=None,
        actor=by,
        why=why,
        data=text,
    )
    if connection is not None:
        tx = store.joined(connection)
        state, told = _give(tx, runs.get(tx, run_id), new, data)
        events.add(tx, [told])
        return state
    with store.write() as tx:
        state, told = _give(tx, runs.lock(tx, run_id), new, data)
        tx.events.append(told)
    return state


def _give(tx: Transaction, run: RunRecord | None, new: SignalRecord, data: Any) -> tuple[RunState, Event]:
    """The state of the run, and the event that tells of it."""
    if run is None:
        raise NotFoundError(f"there is no run {new.run_id}", hint="See the newest ones: rota run ls")
    if RunState(run.state).ended:
        raise ConflictError(
            f"run {run.id} is {run.state} already, and waits for nothing",
            hint=f"See how it ended: rota run show {run.id}",
        )
    if not signals.add(tx, [new]):
        raise _given_before(signals.get(tx, run.id, new.name), new)
    woken = runs.wake(tx, [run.id], new.at)
    told = {"job": run.job, "signal": new.name, "data": data, "why": new.why, "resumed": bool(woken)}
    event = run_event("run.signalled", run.id, new.at, actor=new.actor, data=told)
    return RunState.AVAILABLE if woken else RunState(run.state), event


def _given_before(first: SignalRecord | None, new: SignalRecord) -> ConflictError:
    if first is not None and first.timed_out_at is not None:
        return ConflictError(
            f"run {new.run_id} waits for the signal {new.name!r} no more: its time was up",
            hint=f"See what it did then: rota run why {new.run_id}",
        )
    whose = "" if first is None or first.actor is None else f", from {first.actor}"
    return ConflictError(
        f"run {new.run_id} has its signal {new.name!r} already{whose}",
        hint=f"The first one counts: rota run show {new.run_id}. A body that waits again asks for another name.",
    )


def time_out(store: Store, now: int, limit: int) -> bool:
    """Let those go on whose time to wait is up. Returns whether there were any."""
    with store.write() as tx:
        over = runs.waited_out(tx, now, limit)
        alone = signals.add(tx, [_no_signal(each) for each in over])
        runs.wake(tx, [each.id for each in over], now)
        tx.events += [
            run_event("run.wait_timed_out", each.id, now, data={"job": each.job, "signal": each.waits_for})
            for each in over
            if each.id in alone
        ]
    return bool(over)


def sweep(store: Store, now: int, limit: int) -> bool:
    """Let those go on that have their signal and wait all the same. Returns whether there are more."""
    with store.read() as tx:
        answered = runs.answered(tx, limit)
    if answered:
        with store.write() as tx:
            runs.wake(tx, answered, now)
    return len(answered) == limit


def _no_signal(run: WaitedOut) -> SignalRecord:
    return SignalRecord(
        run_id=run.id,
        name=run.waits_for,
        at=run.waits_until,
        timed_out_at=run.waits_until,
        actor=None,
        why=None,
        data=None,
    )
