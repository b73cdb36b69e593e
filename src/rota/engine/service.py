"""One loop for every duty: a tick that raises ends no thread."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from rota.engine.pulse import Pulse
from rota.errors import StoreReplacedError, StoreUnreachableError
from rota.shown import counted

logger = logging.getLogger("rota.engine")
LONGEST_BACKOFF = 10.0
SETTLING_SECONDS = 15.0
"""After so long, every duty has met the connections that broke: what fails until then is still the same outage."""


class Duty(Protocol):
    """Something a node does again and again. Tests call ``tick`` themselves: no thread, no waiting."""

    @property
    def name(self) -> str: ...

    @property
    def interval(self) -> float:
        """Seconds to wait after a tick that left nothing to do; a tick may set it anew."""

    def tick(self) -> bool:
        """Do what is due now; return True when there may be more to do at once."""


class Outage:
    """A database that is away is told once by all the duties of a node, and so is that it is back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.now = clock
        self._since: float | None = None
        self._ended_at = -math.inf
        self._telling = threading.Lock()

    def begin(self, error: StoreUnreachableError, asked_at: float) -> None:
        """``asked_at``: when a duty began what got no answer. Until then, the database was not known to be away."""
        with self._telling:
            if self._since is not None:
                self._since = min(self._since, asked_at)
            elif asked_at - self._ended_at > SETTLING_SECONDS:
                self._since = asked_at
                logger.error("%s; trying again until it answers", error)

    def end(self) -> None:
        with self._telling:
            if self._since is not None:
                logger.warning("the database answers again, after %.0f s", self.now() - self._since)
                self._since, self._ended_at = None, self.now()


class Runner:
    """Ticks a duty until it is stopped. A tick that raises is logged and tried again, ever later while it keeps on."""

    def __init__(
        self,
        duty: Duty,
        outage: Outage | None = None,
        *,
        pulse: Pulse | None = None,
        wake: threading.Event | None = None,
        give_up: Callable[[StoreReplacedError], None] = lambda _: None,
    ) -> None:
        """``give_up`` is called when there is no sense in trying again."""
        self.duty = duty
        self.pulse = pulse or Pulse(duty.name, duty.interval)
        self._outage = outage or Outage()
        self._failures = 0
        self._give_up = give_up
        self._wake = wake or threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name=f"rota-{duty.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Tick now, whatever the interval."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """End the loop after the tick under way."""
        self._stopping = True
        self._wake.set()

    def stop(self, timeout: float | None = None) -> bool:
        """The same, and wait for it; False if that took longer than ``timeout`` seconds."""
        self.ask_to_stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.clear()
            if not self._tick():
                self._wake.wait(self._pause())

    def _tick(self) -> bool:
        asked_at = self._outage.now()
        pulse = self.pulse
        pulse.begun_at = time.monotonic()
        try:
            more = self.duty.tick()
        except BaseException as error:  # noqa: BLE001 - no thread of ours ends by it, and it is told
            self._failures += 1
            pulse.failed_at = time.monotonic()
            pulse.error = f"{type(error).__name__}: {error}"
            self._tell(error, asked_at)
            return False
        finally:
            pulse.begun_at, pulse.interval = None, self.duty.interval
        if self._failures:
            logger.info("duty %s works again after %s", self.duty.name, counted(self._failures, "failure"))
            self._outage.end()
        self._failures = 0
        pulse.ticked_at = time.monotonic()
        return more

    def _tell(self, error: BaseException, asked_at: float) -> None:
        often = self._failures in {1, 2} or self._failures % 20 == 0
        if isinstance(error, StoreUnreachableError):
            self._outage.begin(error, asked_at)
            often = False
        elif isinstance(error, StoreReplacedError):
            self._give_up(error)
            often = False
        level = logging.ERROR if often else logging.DEBUG
        text = "duty %s failed (%d in a row): %s"
        logger.log(level, text, self.duty.name, self._failures, error, exc_info=error)

    def _pause(self) -> float:
        if not self._failures:
            return self.duty.interval
        return min(LONGEST_BACKOFF, 0.2 * 2.0 ** min(self._failures, 8)) * random.uniform(0.5, 1.0)
