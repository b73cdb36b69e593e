"""A slot: one warm child, which does one attempt at a time.

The child is the leader of a session, so that all it starts is one group, seen and ended together. Beside it the group
holds a *warden*: a shell that reads from a pipe which this process alone holds open, and kills the group when this
process is gone, whatever the child is doing then.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from rota.executors.process import group
from rota.executors.process.pipe import EXIT_WITHOUT_PIPE, GarbledError, Pipe
from rota.executors.process.remote import RemoteAttempt
from rota.forks import tell_of_forks
from rota.model.attempt import End
from rota.model.size import show_size

LOOK_SECONDS = 0.05
SEND_SECONDS = 5.0
"""A child that takes nothing for so long is frozen."""
START_SECONDS = 60.0
NUDGE_SECONDS = 1.0
"""After so long without an answer to the pipe, SIGTERM is tried."""
RECYCLED_AFTER = 1_000
"""Attempts, after which a child is replaced: what leaks is given back."""


class Slot:
    """All of it is used by one thread."""

    def __init__(self, command: Sequence[str]) -> None:
        self.error = ""
        """Why the last child could not be started."""
        self._command = list(command)
        self._home = os.getcwd()  # noqa: PTH109 - where the application was found, whatever a body does to this process
        self._path = os.pathsep.join(folder or self._home for folder in sys.path)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe | None = None
        self._children: group.Children | None = None
        self._leash = self._marks = -1
        self._done = 0
        self._ended: set[int] = set()
        tell_of_forks(self)

    def after_fork(self) -> None:
        """In a child that a thread of this process forked: it must not keep the warden from seeing our end."""
        if self._process is not None and self._pipe is not None:
            for descriptor in (self._leash, self._marks, self._pipe.descriptor):
                with suppress(OSError):
                    os.close(descriptor)
        self._process = self._pipe = None

    def perform(self, attempt: RemoteAttempt) -> None:
        """Do one attempt; returns when it has ended, in whatever way."""
        begun = False
        for _ in range(2):  # it may have died while it was idle, a moment before it was told: that is nobody's crash
            if not self._ready():
                attempt.unusable(self.error)
                return
            try:
                self._send(attempt.order())
                alive = self._watch(attempt)
                break
            except (OSError, EOFError) as error:
                how, alive = self._how_it_died(error), False
                begun = self._has_begun()
                if begun:
                    break
                self.close()
        if attempt.ended is None and begun:
            attempt.killed(End.CRASHED, how)
        elif attempt.ended is None:
            attempt.unusable(how)
        self._done += 1
        if not alive or self._done >= RECYCLED_AFTER or self._left_behind():
            self.close()

    def close(self) -> None:
        """End the child and all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        group.end_with_descendants(process.pid)
        process.wait()
        self._ended.add(process.pid)
        group.reap(self._ended)
        os.close(self._leash)
        os.close(self._marks)
        if self._children is not None:
            self._children.close()
        if self._pipe is not None:
            self._pipe.close()

    # --- one attempt

    def _watch(self, attempt: RemoteAttempt) -> bool:
        """Hear the child until it has ended its attempt; False: its process is to be replaced."""
        pipe, stop = self._running, _Stop()
        look_at = time.monotonic() + LOOK_SECONDS
        while True:
            if pipe.wait(look_at - time.monotonic()):
                if attempt.hear(pipe.receive()):
                    return True
                if time.monotonic() < look_at:
                    continue
            look_at = time.monotonic() + LOOK_SECONDS
            if self._too_large(attempt) or self._out_of_time(attempt, stop):
                return False

    def _out_of_time(self, attempt: RemoteAttempt, stop: _Stop) -> bool:
        """Tell it to stop by the pipe, then by SIGTERM, and at the end of its grace kill it."""
        now = time.monotonic()
        if attempt.reason is not None and stop.told_at is None:
            stop.told_at = now
            self._send(attempt.stop())
        if stop.told_at is not None and not stop.nudged and now >= stop.told_at + min(NUDGE_SECONDS, attempt.grace / 2):
            stop.nudged = True
            self._signal(signal.SIGTERM)
        hard = attempt.kill_at is not None and now >= attempt.kill_at
        if not hard and (stop.told_at is None or now < stop.told_at + attempt.grace):
            return False
        self.close()
        attempt.killed(End.TIMED_OUT, f"the run took longer than its hard limit of {attempt.job.hard_timeout} s")
        return True

    def _too_large(self, attempt: RemoteAttempt) -> bool:
        process, most = self._process, attempt.job.memory
        assert process is not None  # noqa: S101 - an attempt is under way in it
        held = group.memory(process.pid)
        attempt.measured(held)
        if most is None or held <= most:
            return False
        self.close()
        text = f"it held {show_size(held)} of memory, more than its {show_size(most)}"
        attempt.killed(End.OUT_OF_MEMORY, text)
        return True

    def _left_behind(self) -> bool:
        return self._children is not None and self._children.are_there()

    def _has_begun(self) -> bool:
        """Whether the child has taken its last order: it leaves a mark for each, which we read when it is gone."""
        try:
            return len(os.read(self._marks, 2 * RECYCLED_AFTER)) > self._done
        except BlockingIOError:
            return False

    def _how_it_died(self, error: OSError | EOFError) -> str:
        """What ended the child, or what it did to the pipe where it is alive."""
        assert self._process is not None  # noqa: S101 - it was alive a moment ago
        if isinstance(error, GarbledError):
            return f"its body wrote into the pipe to its node: {error}"
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            if not isinstance(error, EOFError | ConnectionError):
                return f"its process is frozen: {error}"
            code = EXIT_WITHOUT_PIPE
        if code == EXIT_WITHOUT_PIPE:
            return "its body closed the pipe to its node"
        if code >= 0:
            return f"its process ended itself with code {code}"
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return f"its process was killed by {name}{_KILLED_BY.get(-code, '')}"

    # --- the child

    @property
    def _running(self) -> Pipe:
        assert self._pipe is not None  # noqa: S101 - asked for while there is a child
        return self._pipe

    def _ready(self) -> bool:
        """Whether there is a child, also if the last one died while it was idle."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._start()
        return self._process is not None

    def _start(self) -> None:
        try:
            self._spawn()
        except OSError as error:
            self.error = f"no process can be started: {error}"
            return
        self.error = self._first_word()
        if self.error:
            self.close()

    def _spawn(self) -> None:
        """Raises ``OSError`` where the system is short of processes, memory or descriptors."""
        group.reap(self._ended)
        ours, theirs = Pipe.pair()
        leash, self._leash = os.pipe()
        self._marks, marks = os.pipe()
        os.set_blocking(self._marks, False)
        try:
            self._process = self._child(theirs.descriptor, leash, marks)
        except OSError:
            ours.close()
            os.close(self._leash)
            os.close(self._marks)
            raise
        finally:
            os.close(leash)
            os.close(marks)
            theirs.close()
        self._pipe, self._children, self._done = ours, group.Children(self._process.pid), 0

    def _child(self, *descriptors: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own module
            [*self._command, *map(str, descriptors)],
            pass_fds=descriptors,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            cwd=self._home,
            env={**os.environ, "PYTHONPATH": self._path},
        )

    def _first_word(self) -> str:
        """What keeps a new child from working; nothing, if it is ready."""
        try:
            if not self._running.wait(START_SECONDS):
                return f"it said nothing for {START_SECONDS:.0f} s"
            kind, data = json.loads(self._running.receive())
        except (EOFError, OSError) as error:
            return self._how_it_died(error)
        if kind != "ready":
            return str(data)
        return ""

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._process is not None:
                os.kill(self._process.pid, number)

    def _send(self, message: bytes) -> None:
        self._running.send(message, SEND_SECONDS)


class _Stop:
    """How far the stopping of one attempt has come."""

    def __init__(self) -> None:
        self.told_at: float | None = None
        self.nudged = False


_KILLED_BY: dict[int, str] = {signal.SIGKILL: ", by hand or by a system that is short of memory"}
