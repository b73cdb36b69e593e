"""One loop for every duty: a tick that raises ends no thread."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import Protocol

logger = logging.getLogger("rota.engine")
LONGEST_BACKOFF = 10.0


class Duty(Protocol):
    """Something a node does again and again. Tests call ``tick`` themselves: no thread, no waiting."""

    name: str
    interval: float
    """Seconds to wait after a tick that left nothing to do; a tick may set it anew."""

    def tick(self) -> bool:
        """Do what is due now; return True when there may be more to do at once."""


class Runner:
    """Ticks a duty until it is stopped. A tick that raises is logged and tried again, ever later while it keeps on."""

    def __init__(self, duty: Duty) -> None:
        self.duty = duty
        self.ticked_at: float | None = None
        """``time.monotonic()`` of the end of the last tick that did not raise."""
        self.failed_at: float | None = None
        self.error: str | None = None
        self._failures = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name=f"rota-{duty.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Tick now, whatever the interval."""
        self._wake.set()

    def stop(self, timeout: float | None = None) -> bool:
        """End the loop after the tick under way; False if that took longer than ``timeout`` seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.clear()
            if not self._tick():
                self._wake.wait(self._pause())

    def _tick(self) -> bool:
        try:
            more = self.duty.tick()
        except BaseException as error:
            self._failures += 1
            self.failed_at = time.monotonic()
            self.error = f"{type(error).__name__}: {error}"
            level = logging.ERROR if self._failures in {1, 2} or self._failures % 20 == 0 else logging.DEBUG
            logger.log(
                level,
                "duty %s failed (%d in a row): %s",
                self.duty.name,
                self._failures,
                error,
                exc_info=error,
            )
            return False
        if self._failures:
            logger.info("duty %s works again after %d failures", self.duty.name, self._failures)
        self._failures = 0
        self.ticked_at = time.monotonic()
        return more

    def _pause(self) -> float:
        if not self._failures:
            return self.duty.interval
        return min(LONGEST_BACKOFF, 0.2 * 2.0 ** min(self._failures, 8)) * random.uniform(0.5, 1.0)
