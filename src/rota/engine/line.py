"""Runs that share a limit wait in line: only as many as may start stand where claims look for work.

So a claim meets no backlog of a key that is full, however long it is. Each queue has a line of its own: where one is
paused, or nobody serves it, runs of another take the places. Who goes before all that may be claimed may be claimed
too: the claim then holds back who comes later. A run that is put in line while the last one of its key ends, in a
transaction that neither sees of the other, is found by a second look after the commit, or else by the sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rota.model.job import Job
from rota.model.limit import count_under
from rota.store import Store, Transaction, runs


class Line:
    """The places that are free for runs of a queue, of one turn. ``limits``: by key, how many may run at one time."""

    def __init__(self, tx: Transaction, queue: str, turn: int, limits: Mapping[str, int]) -> None:
        self._limits = limits
        taken = runs.places_taken(tx, limits, queue, turn) if limits else {}
        self._free = {key: count - taken.get(key, 0) for key, count in limits.items()}
        self.waiting: set[str] = set()
        """Keys that runs were put in line for."""

    def place(self, key: str | None) -> str | None:
        """Why a run of this key has to wait; ``None``: it may be claimed."""
        if key is None or key not in self._limits:
            return None
        if self._free[key] > 0:
            self._free[key] -= 1
            return None
        self.waiting.add(key)
        return waits_for(key)


def waits_for(key: str) -> str:
    """Why a run stands in line."""
    return f"concurrency {key}"


def let_go(store: Store, waiting: Iterable[str]) -> None:
    """Look again, after the commit, whether somebody left a place meanwhile."""
    if not waiting:
        return
    with store.read() as tx:
        if not runs.places_free(tx, waiting):
            return
    with store.write() as tx:
        runs.release(tx, waiting)


def limits_of(keys: Iterable[str | None], job: Job) -> dict[str, int]:
    """How many may run under each of the keys of one job."""
    return {key: count for key in keys if key is not None if (count := count_under(key, job.limit_count)) is not None}
