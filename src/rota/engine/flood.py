"""Keeps a log from being flooded: of each kind a few lines in a while, and then how many more there were."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MOST = 10
"""Lines of one kind in a window; what comes beyond is counted."""
WINDOW = 10.0


class Flood:
    """Safe among threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._began = clock()

    def lets_by(self, kind: str) -> bool:
        """Whether another line of this kind is to be told."""
        with self._lock:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
        return count <= MOST

    def left_out(self, *, last: bool = False) -> dict[str, int]:
        """What was left out, by kind, once the window is over; the next one begins."""
        if not self._counts or (not last and self._clock() - self._began < WINDOW):
            return {}
        with self._lock:
            counts, self._counts, self._began = self._counts, {}, self._clock()
        return {kind: count - MOST for kind, count in counts.items() if count > MOST}
