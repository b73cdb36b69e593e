"""Brings back the runs of nodes that are gone: by their lease, never by the age of a run.

A node whose process is seen to be dead on this very machine is given up at once; any other, when its lease has lapsed.

Who killed the node? If it was doing one run, that one is to blame, and is quarantined after ``CRASH_LIMIT`` crashes.
If it was doing several, each is a suspect; one suspected twice is done apart from then on (see the worker), so
that the guilty one betrays itself and the innocent ones are cleared.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import partial

from rota.engine.apart import all_steps, each_apart
from rota.engine.identity import NodeIdentity
from rota.engine.tally import Tally
from rota.model.event import Event, run_event
from rota.model.node import NodeProcess, machine_identity
from rota.model.process import process_exists
from rota.model.retry import CRASH_LIMIT
from rota.model.run import NODE_LOST, AttemptRecord, LostRun, Rescued, RunState
from rota.store import Store, Transaction, attempts, batches, nodes, runs

EVERY_SECONDS = 1.0
AT_ONCE = 5_000
FOREVER = 2**62


class Rescuer:
    """The duty that gives up lost nodes and makes their runs available again."""

    name = "rescuer"

    def __init__(self, store: Store, identity: NodeIdentity, shard: int) -> None:
        self.interval = EVERY_SECONDS
        self._store = store
        self._identity = identity
        self._shard = shard

    def tick(self) -> bool:
        now = self._store.now_us()
        with self._store.read() as tx:
            judges, me = self._identity.may_judge(), self._identity.id
            lapsed = dict.fromkeys(nodes.lapsed(tx, now, me), now) if judges else {}
            dead = {each.id: FOREVER for each in nodes.alive(tx) if self._is_dead(each)}
            left_over = nodes.gone_with_runs(tx)
        given_up = [node for node, lease_until in {**lapsed, **dead}.items() if self._lose(node, lease_until)]
        return all_steps([partial(self._rescue, node) for node in dict.fromkeys(given_up + left_over)])

    def _is_dead(self, node: NodeProcess) -> bool:
        if node.machine != machine_identity() or node.id == self._identity.id:
            return False
        return node.pid != os.getpid() and not process_exists(node.pid)

    def _lose(self, node: str, lease_until: int) -> bool:
        now = self._store.now_us()
        with self._store.write() as tx:
            if not nodes.lose(tx, node, now, lease_until):
                return False
            data = {"given_up_by": self._identity.id}
            tx.events.append(Event(at=now, kind="node.lost", subject=f"node:{node}", data=data))
        return True

    def _rescue(self, node: str) -> bool:
        """Rescue up to so many runs of a node; True when there may be more. One that cannot be keeps no other back."""
        with self._store.read() as tx:
            left = runs.lost(tx, node, AT_ONCE)
        refused: list[Exception] = []
        each_apart(left, partial(self._rescue_some, node, len(left) == 1), lambda _, error: refused.append(error))
        if refused:
            raise refused[0]
        return len(left) == AT_ONCE

    def _rescue_some(self, node: str, alone: bool, some: Sequence[LostRun]) -> None:
        """Unless another node was faster. ``alone``: it was the only one that the node was doing."""
        ids = {run.id for run in some}
        with self._store.write() as tx:
            lost = [run for run in runs.lost(tx, node, AT_ONCE) if run.id in ids]
            if lost:
                self._bring_back(tx, node, alone, lost)

    def _bring_back(self, tx: Transaction, node: str, alone: bool, lost: list[LostRun]) -> None:
        now = self._store.now_us()
        rescued, crashed = [], []
        tally = Tally()
        freed: set[str] = set()
        ended: dict[int, Counter[str]] = {}
        for run in lost:
            after, kind = _judged(run, alone=alone, now=now)
            rescued.append(after)
            crashed.append(_crashed(run, node, now))
            counts = {"crashes": after.crashes, "suspected": after.suspected}
            data = {"job": run.job, "attempt": run.attempt, "node": node, **counts}
            tx.events.append(run_event(kind, run.id, now, data=data))
            tally.count(now, run.job, "crashed")
            if after.state is RunState.FAILED:
                tally.count(now, run.job, "failed")
            if run.limit_key is not None:
                freed.add(run.limit_key)
            if after.state.ended and run.batch_id is not None:
                ended.setdefault(run.batch_id, Counter())[after.state] += 1
        runs.rescue(tx, rescued)
        attempts.add(tx, crashed)
        batches.count(tx, ended)
        if freed:
            runs.release(tx, freed)
        tally.save(tx, self._shard)
        tx.announce()


def _judged(run: LostRun, *, alone: bool, now: int) -> tuple[Rescued, str]:
    """What becomes of a run, and the event that tells it."""
    crashes = run.crashes + alone
    state, kind, error = _verdict(crashes, run.cancel_at, run.cancel_by)
    after = Rescued(
        id=run.id,
        attempt=run.attempt,
        state=state,
        crashes=crashes,
        suspected=run.suspected + (not alone),
        finished_at=now if state.ended else None,
        error=error,
    )
    return after, kind


def _verdict(crashes: int, asked_at: int | None, asked_by: str | None) -> tuple[RunState, str, str | None]:
    """The state of a run whose node was lost, the event that tells it, and the reason if it is over."""
    if asked_at is not None:
        return RunState.CANCELLED, "run.cancelled", f"cancelled by {asked_by}; its node was lost before it stopped"
    if crashes >= CRASH_LIMIT:
        return RunState.FAILED, "run.quarantined", f"its node was lost while doing it alone, {crashes} times"
    return RunState.AVAILABLE, "run.rescued", None


def _crashed(run: LostRun, node: str, now: int) -> AttemptRecord:
    return AttemptRecord(
        run_id=run.id,
        number=run.attempt,
        node=node,
        started_at=run.started_at,
        finished_at=now,
        outcome="crashed",
        error=NODE_LOST,
        traceback=None,
    )
