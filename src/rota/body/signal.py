"""The signal to stop: given by the engine, looked at by the body and by every wait of Rota's inside it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rota.errors import ConfigError, Interrupted, Parked

if TYPE_CHECKING:
    import asyncio

_making = threading.Lock()


class StopSignal:
    """Whether, and why, a body should stop. The first reason stays."""

    __slots__ = ("_event", "_task", "noticed", "reason")

    def __init__(self) -> None:
        self.reason: Interrupted | Parked | None = None
        self.noticed = False
        """Whether the body was seen to look at it."""
        self._event: threading.Event | None = None
        self._task: Callable[[], object] | None = None

    def give(self, reason: Interrupted | Parked) -> None:
        if self.reason is not None:
            return
        self.reason = reason
        if self._event is not None:
            self._event.set()
        if self._task is not None:
            self._task()

    def is_given(self) -> bool:
        self.noticed = self.noticed or self.reason is not None
        return self.reason is not None

    def check(self) -> None:
        """Raise the reason, if there is one."""
        if self.reason is not None:
            self.noticed = True
            raise self.reason

    def sleep(self, seconds: float) -> None:
        """Sleep that ends at once, raising the reason, when the signal is given."""
        self.check()
        with _making:  # two threads of one body must wait for the same
            self._event = self._event or threading.Event()
        if self.reason is None:
            self._event.wait(seconds)
        self.check()

    def attach(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Let the signal cancel this task too."""
        self._task = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.reason is not None:
            task.cancel()


current: ContextVar[StopSignal | None] = ContextVar("rota_stop_signal", default=None)
"""Of the body that this code runs in."""


def sleep(seconds: float) -> None:
    """The sleep of every wait that a body may call: inside a body it ends with the signal to stop, and raises it.

    Raises ``ConfigError`` in the body of an ``async def``, where it would hold up all others of its loop.
    """
    signal = current.get()
    if signal is None:
        time.sleep(seconds)
        return
    if _in_a_loop():
        raise ConfigError(
            "an async def may not wait like this: all others of its loop would stand still meanwhile",
            hint="Wait in a thread: await asyncio.to_thread(handle.wait). For a lock, write a plain def.",
        )
    signal.sleep(seconds)


def _in_a_loop() -> bool:
    if "asyncio" not in sys.modules:  # it is slow to import, and then there is no loop
        return False
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
