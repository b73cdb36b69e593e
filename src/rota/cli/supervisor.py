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

LEASH = "_ROTA_LEASH"
"""Names the descriptor whose end tells a child that its supervisor is gone; set in children alone."""
HEALTHY_SECONDS = 10.0
"""A process that lived this long and then died is started again at once."""
LONGEST_PAUSE = 30.0


class Supervisor:
    """Watches over ``count`` children. One that dies leaves its runs to the others, which see it at once."""

    def __init__(self, application: str, arguments: list[str], count: int) -> None:
        self._command = [sys.executable, "-m", "rota", "--app", application, "up", "--no-web", *arguments]
        self._children = [_Child(self._command) for _ in range(count)]

    def start(self) -> None:
        for child in self._children:
            child.start()
        say(f"Rota is up: {len(self._children)} processes under {os.getpid()}.")

    def wait(self, timeout: float) -> bool:
        time.sleep(min(timeout, 0.1))
        for child in self._children:
            child.look()
        return all(child.hopeless for child in self._children)

    def stop(self) -> None:
        say("Stopping … (again: at once)")
        for child in self._children:
            child.tell()
        for child in self._children:
            child.wait()
        if all(child.hopeless for child in self._children):
            raise ConfigError("no process could start", hint="What each of them said stands above.")
        say("Rota is down.")


class _Child:
    """One process, and its leash: a pipe that closes when this process is gone, whatever killed it."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._leash = -1
        self._started_at = 0.0
        self._start_at = 0.0
        self._deaths = 0
        self.hopeless = False
        """Whether it said, at once, that its settings are wrong: the next one would say the same."""

    def start(self) -> None:
        mine_to_hold, theirs = os.pipe()[::-1]
        environment = os.environ | {LEASH: str(theirs)}
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            self._command, env=environment, pass_fds=[theirs], start_new_session=True
        )
        os.close(theirs)
        self._leash = mine_to_hold
        self._started_at = time.monotonic()

    def look(self) -> None:
        """See whether it lives; if not, start it again, after a pause that grows while it keeps dying."""
        if self._process is not None and self._process.poll() is not None:
            self._bury(self._process)
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        os.close(self._leash)
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

    def tell(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        if self._process is not None:
            self._process.wait()
            os.close(self._leash)
