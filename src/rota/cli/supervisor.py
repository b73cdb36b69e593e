"""Several processes of one application, each a node: started together, restarted when one dies, stopped together."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from rota.cli.logs import say
from rota.errors import ConfigError
from rota.executors.process import group
from rota.model.settings import NodeSettings

LEASH = "_ROTA_LEASH"
"""Names the descriptor whose end tells a child that its supervisor is gone; set in children alone."""
LIFE = "_ROTA_LIFE"
"""Names the descriptor on which a child shows that it lives."""
CLOSING_SECONDS = 4.5
"""Beyond the drain, a child gets so long to end."""
HEALTHY_SECONDS = 10.0
"""A process that lived this long and then died is started again at once."""
LONGEST_PAUSE = 30.0


class Supervisor:
    """Watches over ``count`` children. One that dies leaves its runs to the others, which see it at once."""

    def __init__(self, application: str, arguments: list[str], count: int, settings: NodeSettings) -> None:
        command = [sys.executable, "-m", "rota", "--app", application, "up", *arguments]
        self._children = [_Child(command, settings.lease) for _ in range(count)]
        self._drain = settings.drain

    def start(self) -> None:
        for child in self._children:
            child.start()
        say(f"Rota is up: {len(self._children)} processes under {os.getpid()}.")

    def wait(self, timeout: float) -> bool:
        time.sleep(min(timeout, 0.1))
        for child in self._children:
            child.look()
        return all(child.hopeless for child in self._children)

    def hanging(self) -> list[str]:
        return [f"process {child.pid}" for child in self._children if child.deaf]

    def stop(self) -> None:
        """All end within the drain and a few seconds; what does not, is killed."""
        say("Stopping … (again: at once)")
        give_up_at = time.monotonic() + self._drain + CLOSING_SECONDS
        for child in self._children:
            child.tell()
        for child in self._children:
            child.wait(give_up_at)
        if all(child.hopeless for child in self._children):
            raise ConfigError("no process could start", hint="What each of them said stands above.")
        say("Rota is down.")

    def kill(self) -> None:
        """Called from a signal's handler."""
        for child in self._children:
            child.kill()


class _Child:
    """One process, and two pipes: its leash, closed when this process is gone, and its signs of life."""

    def __init__(self, command: list[str], patience: float) -> None:
        self._command = command
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._leash = self._life = -1
        self._started_at = 0.0
        self._start_at = 0.0
        self._alive_at: float | None = None
        self._deaths = 0
        self.hopeless = False
        """Whether it said, at once, that its settings are wrong: the next one would say the same."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def deaf(self) -> bool:
        """Whether it once showed life, and has shown none for longer than a lease: its runs are others' by then."""
        return self._alive_at is not None and time.monotonic() - self._alive_at > self._patience

    def start(self) -> None:
        theirs, self._leash = os.pipe()
        self._life, showing = os.pipe()
        os.set_blocking(self._life, False)
        environment = os.environ | {LEASH: str(theirs), LIFE: str(showing)}
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            self._command, env=environment, pass_fds=[theirs, showing], start_new_session=True
        )
        os.close(theirs)
        os.close(showing)
        self._started_at = time.monotonic()
        self._alive_at = None

    def look(self) -> None:
        """See whether it lives; if not, start it again, after a pause that grows while it keeps dying."""
        if self._process is not None:
            self._watch(self._process)
        if self._process is not None and self._process.poll() is not None:
            self._bury(self._process)
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(BlockingIOError):
            if os.read(self._life, 4096):
                self._alive_at = time.monotonic()
        if self.deaf and process.poll() is None:
            say(f"Process {process.pid} has shown no life for {self._patience:g} s; it is killed.", logging.WARNING)
            group.end(process.pid)
            process.wait()

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        self._let_go()
        healthy = time.monotonic() - self._started_at > HEALTHY_SECONDS
        self._deaths = 1 if healthy else self._deaths + 1
        pause = 0.0 if self._deaths == 1 else min(LONGEST_PAUSE, 0.5 * 2**self._deaths)
        self._start_at = time.monotonic() + pause
        self._process = None
        code = process.returncode
        level = logging.WARNING if code else logging.INFO  # 0: it was drained, or has done its share
        self.hopeless = not healthy and code == ConfigError.exit_code
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}" if code else "has finished"
        say(f"Process {process.pid} {how}; starting another{f' in {pause:.0f} s' if pause else ''}.", level)

    def _let_go(self) -> None:
        os.close(self._leash)
        os.close(self._life)
        self._alive_at = None

    def tell(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def wait(self, give_up_at: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, give_up_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            say(f"Process {self._process.pid} does not end; it is killed.", logging.WARNING)
            group.end(self._process.pid)
            self._process.wait()
        self._let_go()

    def kill(self) -> None:
        if self._process is not None:
            group.end(self._process.pid)
