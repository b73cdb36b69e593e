"""Whom to tell of work: as many nodes as can do it at once, of its host and the application that has its job.

Each node hears a channel of its own, and one for all. Who tells knows the nodes as they were up to a second ago: what a
hint that goes to the wrong one costs is the wait for the next poll.
"""

from __future__ import annotations

import random
import time

from rota.store import nodes
from rota.store.database import Transaction, Work, WorkKind

KNOWN_SECONDS = 1.0
SPARE = 1
"""Nodes told beyond the number of runs: one may be busy, or gone."""
MOST_KINDS = 8
"""Of more jobs than that at one time, everybody is told."""
NAME_BYTES = 63
"""Of PostgreSQL: as long as a name may be."""


class Hints:
    """``channel``: of the ledger; its nodes have theirs beside it."""

    def __init__(self, channel: str) -> None:
        self.channel = channel[:NAME_BYTES]
        self._channel = channel
        self._nodes: dict[WorkKind, tuple[float, list[str], list[str]]] = {}

    def of(self, node: str) -> str:
        """The channel of one node."""
        suffix = f"_{node[-8:]}"
        return f"{self._channel[: NAME_BYTES - len(suffix)]}{suffix}"

    def statements(self, tx: Transaction, work: Work | None) -> str:
        """What tells of runs; ``None``: tells everybody."""
        if work is None or len(work) > MOST_KINDS:
            return f'NOTIFY "{self.channel}"'
        channels = {channel for kind, count in work.items() for channel in self._chosen(tx, kind, count + SPARE)}
        return "; ".join(f'NOTIFY "{channel}"' for channel in sorted(channels))

    def _chosen(self, tx: Transaction, kind: WorkKind, count: int) -> list[str]:
        free, full = self._known(tx, kind)
        if count >= len(free) + len(full):
            return [self.channel]
        chosen = random.sample(free, min(count, len(free)))
        chosen += random.sample(full, count - len(chosen))
        return [self.of(node) for node in chosen]

    def _known(self, tx: Transaction, kind: WorkKind) -> tuple[list[str], list[str]]:
        """The nodes that do such work: those that had room when they last wrote, and the others."""
        known_until, free, full = self._nodes.get(kind, (0.0, [], []))
        if time.monotonic() > known_until:
            found = nodes.that_do(tx, kind)
            free = [node for node, is_full in found if not is_full]
            full = [node for node, is_full in found if is_full]
            if len(self._nodes) > 100 * MOST_KINDS:
                self._nodes.clear()
            self._nodes[kind] = (time.monotonic() + KNOWN_SECONDS, free, full)
        return free, full
