"""At most so many a second, over all threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Turns spaced ``1 / per_second`` apart; 0 means without a limit."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], None]) -> None:
        if not self._interval:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            sleep(turn - now)
