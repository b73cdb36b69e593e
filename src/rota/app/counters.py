"""Figures of the last minutes, from the counters. Nothing here looks at runs."""

from __future__ import annotations

from rota.model.edge import Count, checked
from rota.model.figures import Figures
from rota.store import Store, counters


@checked
class Counters:
    """``rota.counters``: figures over all jobs, of one, or of each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def figures(self, minutes: Count = 60, job: str | None = None) -> Figures:
        """Of the present minute and those before it."""
        with self._store.read() as tx:
            return counters.figures(tx, self._store.now_us(), minutes, job)

    def by_job(self, minutes: Count = 60) -> dict[str, Figures]:
        """For each job that did anything."""
        with self._store.read() as tx:
            return counters.by_job(tx, self._store.now_us(), minutes)
