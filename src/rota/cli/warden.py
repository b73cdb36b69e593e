"""A shell beside a process, in its group: when whoever watches over the process is gone, it kills the group.

It needs no interpreter of Python, and so ends also a process that is stuck in a call which holds it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress


def start(leash: int, patience: float = 0.0) -> int:
    """Returns its number.

    ``leash`` is the end to read of a pipe that the watcher alone holds open, ``patience`` the seconds from its end on.
    """
    script = f"read _; sleep {patience:g}; kill -KILL 0" if patience else "read _; kill -KILL 0"
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, leash, 0), *silent]
    return os.posix_spawn("/bin/sh", ["/bin/sh", "-c", script], os.environ, file_actions=actions)


def end(pid: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
