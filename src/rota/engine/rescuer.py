"""Brings back the runs of nodes that are gone: by their lease, never by the age of a run.

A node whose process is seen to be dead on this very machine is given up at once; any other, when its lease has lapsed.

Who killed the node? If it was doing one run, that one is to blame, and is quarantined after ``CRASH_LIMIT`` crashes.
If it was doing several, each is a suspect; one suspected twice is done alone from then on (see the worker), so
that the guilty one betrays itself and the innocent ones are cleared.
"""

from __future__ import annotations

import os
from collections import Counter

from rota.engine.identity import NodeIdentity
from rota.engine.tally import Tally
from rota.model.event import Event, run_event
from rota.model.node import host_identity, process_exists
from rota.model.retry import CRASH_LIMIT
from rota.model.run import RunState
from rota.store import Store, Transaction, runs
from rota.store.database import Row
from rota.store.runs import FailedAttempt

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
            lapsed = [(row[0], now) for row in tx.all("nodes.lapsed", now=now, asking=me)] if judges else []
            dead = [(row[0], FOREVER) for row in tx.all("nodes.alive") if self._is_dead(*row)]
            left_over = [row[0] for row in tx.all("nodes.lost_with_runs")]
        given_up = [
            node for node, lease_until in {**dict(lapsed), **dict(dead)}.items() if self._lose(node, lease_until)
        ]
        more = [self._rescue(node) for node in dict.fromkeys(given_up + left_over)]
        return any(more)

    def _is_dead(self, node: str, host: str, pid: int) -> bool:
        if host != host_identity() or node == self._identity.id:
            return False
        return pid != os.getpid() and not process_exists(pid)

    def _lose(self, node: str, lease_until: int) -> bool:
        now = self._store.now_us()
        with self._store.write() as tx:
            if not tx.run("nodes.lose", id=node, now=now, lease_until=lease_until):
                return False
            data = {"given_up_by": self._identity.id}
            tx.told.append(Event(at=now, kind="node.lost", subject=f"node:{node}", data=data))
        return True

    def _rescue(self, node: str) -> bool:
        """Rescue up to so many runs of a node; True when there may be more."""
        now = self._store.now_us()
        with self._store.write() as tx:
            lost = tx.all("runs.lost", node=node, limit=AT_ONCE)
            if lost:
                self._bring_back(tx, node, lost, now)
        return len(lost) == AT_ONCE

    def _bring_back(self, tx: Transaction, node: str, lost: list[Row], now: int) -> None:
        rows, attempts = [], []
        tally = Tally()
        freed: Counter[str] = Counter()
        batches: dict[int, Counter[str]] = {}
        alone = len(lost) == 1
        for run_id, job, attempt, crashes, suspected, started_at, limit_key, batch_id, *asked in lost:
            crashes, suspected = crashes + alone, suspected + (not alone)
            state, kind, error = _verdict(crashes, *asked)
            rows.append((run_id, attempt, state, crashes, suspected, now if state.ended else None, error))
            attempts.append(_crashed(run_id, attempt, node, started_at, now))
            data = {"job": job, "attempt": attempt, "node": node, "crashes": crashes, "suspected": suspected}
            tx.told.append(run_event(kind, run_id, now, data=data))
            tally.count(now, job, "crashed")
            if limit_key is not None:
                freed[limit_key] += 1
            if state.ended and batch_id is not None:
                batches.setdefault(batch_id, Counter())[state] += 1
        tx.rows("runs.rescue", rows)
        runs.add_attempts(tx, attempts)
        runs.count_batches(tx, batches)
        if freed:
            runs.release_keys(tx, freed)
        tally.save(tx, self._shard)
        tx.announce()


def _verdict(crashes: int, asked_at: int | None, asked_by: str | None) -> tuple[RunState, str, str | None]:
    """The state of a run whose node was lost, the event that tells it, and the reason if it is over."""
    if asked_at is not None:
        return RunState.CANCELLED, "run.cancelled", f"cancelled by {asked_by}; its node was lost before it stopped"
    if crashes >= CRASH_LIMIT:
        return RunState.FAILED, "run.quarantined", f"its node was lost while doing it alone, {crashes} times"
    return RunState.AVAILABLE, "run.rescued", None


def _crashed(run_id: int, attempt: int, node: str, started_at: int | None, now: int) -> FailedAttempt:
    return FailedAttempt(
        run_id=run_id,
        number=attempt,
        node=node,
        started_at=started_at,
        finished_at=now,
        outcome="crashed",
        error="the node was lost",
        traceback=None,
    )
