"""Runs that share a limit wait in line: only as many as may start stand where claims look for work.

So a claim meets no backlog of a key that is full, however long it is. A run that is put in line while the last one of
its key ends, in a transaction that neither sees of the other, is found by a second look after the commit, or else by
the stager's sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rota.store import Store, Transaction, runs


class Line:
    """The places that are free under some keys. ``limits``: by key, how many may run at one time."""

    def __init__(self, tx: Transaction, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._free = _free(tx, limits)
        self.waiting: dict[str, int] = {}
        """Keys that runs were put in line for, with their limits."""

    def place(self, key: str | None) -> str | None:
        """Why a run of this key has to wait; ``None``: it may be claimed."""
        if key is None:
            return None
        if self._free[key] > 0:
            self._free[key] -= 1
            return None
        self.waiting[key] = self._limits[key]
        return f"concurrency {key} (limit {self._limits[key]})"


def let_go(store: Store, waiting: Mapping[str, int]) -> None:
    """Look again, after the commit, whether somebody left a place meanwhile."""
    if not waiting:
        return
    with store.read() as tx:
        if not any(count > 0 for count in _free(tx, waiting).values()):
            return
    with store.write() as tx:
        release_free(tx, waiting)


def release_free(tx: Transaction, waiting: Mapping[str, int]) -> None:
    """Let so many try as there are places."""
    free = {key: count for key, count in _free(tx, waiting).items() if count > 0}
    if free:
        runs.release_keys(tx, free)


def limits_of(keys: Iterable[str | None], count: int | None) -> dict[str, int]:
    """Of runs that are alike."""
    return {key: count or 1 for key in keys if key is not None}


def _free(tx: Transaction, limits: Mapping[str, int]) -> dict[str, int]:
    busy = runs.busy_by_key(tx, limits) if limits else {}
    return {key: count - busy.get(key, 0) for key, count in limits.items()}
