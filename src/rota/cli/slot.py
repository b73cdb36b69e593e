"""The child of a process slot: ``python -m rota.cli.slot module:attribute PIPE LEASH MARKS``, open descriptors.

By the pipe, JSON: down ``do`` and ``stop``; up ``ready`` or ``unusable``, then ``log``, ``progress`` and ``ended``. To
the marks goes a byte for each order that is taken: they are read when this process has died. What else a body asks of
the ledger (checkpoint, fan-out, emit, lock) it asks from here, under its fence.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from rota.body import log
from rota.body.attempt import Attempt
from rota.body.log import LogLines
from rota.cli import warden
from rota.errors import ConfigError
from rota.executors.process import group
from rota.executors.process.pipe import EXIT_WITHOUT_PIPE, Pipe
from rota.executors.process.remote import REASONS
from rota.model.attempt import Caps, End, Ended, Envelope

if TYPE_CHECKING:
    import asyncio

    from rota.app import Rota

PROGRESS_SECONDS = 0.25


def main() -> None:
    place, pipe, leash, marks = sys.argv[1], *map(int, sys.argv[2:5])
    for descriptor in (pipe, leash, marks):
        os.set_inheritable(descriptor, False)
    warden.start(leash, warden.GROUP_AND_DESCENDANTS)  # first of all: it is to outlive whatever the application does
    os.close(leash)
    group.adopt_orphans()
    child = Child(Pipe(pipe), marks)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process above, which tells us
    signal.signal(signal.SIGTERM, child.nudge)
    try:
        child.app = _load(place)
    except BaseException as error:  # noqa: BLE001 - an application may do anything when it is imported
        child.say("unusable", f"{place} cannot be loaded: {type(error).__name__}: {error}")
        return
    log.capture()
    threading.Thread(target=child.listen, name="rota-slot", daemon=True).start()
    child.say("ready", None)
    child.work()


def _load(place: str) -> Rota:
    from rota.app import Rota
    from rota.cli.application import load_attribute

    app = load_attribute(place)
    if not isinstance(app, Rota):
        raise ConfigError(f"{place} is not a Rota application")
    return app


class Child:
    """Does one attempt after another in the main thread, where a signal can reach a body that waits for something."""

    app: Rota

    def __init__(self, pipe: Pipe, marks: int) -> None:
        self._marks = marks
        self._pipe = pipe
        self._saying = threading.Lock()
        self._orders: SimpleQueue[list[Any]] = SimpleQueue()
        self._attempt: Attempt | None = None
        self._stop: list[Any] | None = None
        self._runner: asyncio.Runner | None = None
        self._pid = os.getpid()
        self._home = os.getcwd()  # noqa: PTH109 - to come back to

    def say(self, kind: str, data: Any) -> None:
        message = json.dumps([kind, data]).encode()
        with self._saying:
            self._pipe.send(message)

    def listen(self) -> None:
        """In a thread of its own: what comes down the pipe, and progress up."""
        try:
            while True:
                if self._pipe.wait(PROGRESS_SECONDS):
                    kind, data = json.loads(self._pipe.receive().decode())
                    if kind == "do":
                        self._orders.put(data)
                    else:
                        self._stop = data
                        self._obey()
                self._tell_progress()
        except (EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EBADF:
                os._exit(EXIT_WITHOUT_PIPE)
            group.end_with_descendants(self._pid)  # the process above is gone

    def work(self) -> None:
        while True:
            ended = self._perform(*self._orders.get())
            self._attempt = None
            if os.getpid() != self._pid:  # a child that the body forked, and that came back here
                os._exit(0)
            with suppress(OSError, ValueError):  # a body may have closed it
                sys.stdout.flush()
            with suppress(OSError):  # it may be gone, and the attempt has ended all the same
                os.chdir(self._home)
            self.say("ended", ended)

    def nudge(self, *_: object) -> None:
        """SIGTERM: it gets through to a ``def`` body that sleeps, or waits for a socket."""
        attempt = self._attempt
        if attempt is not None and not attempt.job.is_async:
            attempt.signal.check()

    def _perform(self, envelope: list[Any], result_bytes: int, clock_us: int) -> Ended:
        given = Envelope._make(envelope)
        now_us = _clock(clock_us)
        attempt = Attempt(given, self.app.jobs[given.job], self.app.desk, now_us, Caps(result_bytes=result_bytes))
        attempt.lines = SentLines(self.say)
        os.write(self._marks, b".")
        self._attempt = attempt
        self._obey()
        try:
            if not attempt.job.is_async:
                return attempt.perform()
            return self._loop().run(attempt.perform_async())
        except BaseException as error:  # noqa: BLE001 - the nudge came between two lines of ours
            end = End.TIMED_OUT if attempt.signal.reason is not None else End.FAILED
            return Ended(end, attempt.started_us, now_us(), error=str(error))

    def _loop(self) -> asyncio.Runner:
        import asyncio  # slow, and not needed where every body is a plain function

        self._runner = self._runner or asyncio.Runner()
        return self._runner

    def _obey(self) -> None:
        """The signal to stop may come before its attempt has begun: it is kept until then."""
        attempt, stop = self._attempt, self._stop
        if attempt is not None and stop is not None and tuple(stop[0]) == attempt.envelope.key:
            attempt.interrupt(REASONS[stop[1]](stop[2]))

    def _tell_progress(self) -> None:
        attempt = self._attempt
        if attempt is not None and attempt.progress.changed:
            attempt.progress.changed = False
            self.say("progress", [attempt.progress.done, attempt.progress.total])


class SentLines(LogLines):
    """Lines go up at once: they are what one wants to read after a crash. They are counted and cut there."""

    __slots__ = ("_say",)

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        super().__init__(Caps())
        self._say = say

    def add(self, line: str) -> None:
        self._say("log", line)


def _clock(distance_us: int) -> Callable[[], int]:
    """The time that counts, by the steady clock that this process shares with the one above."""
    return lambda: int(time.monotonic() * 1_000_000) + distance_us


if __name__ == "__main__":
    main()
