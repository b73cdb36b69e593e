"""A shell beside a process, in its group: when whoever watches over the process is gone, it kills the group.

It needs no interpreter of Python, and so ends also a process that is stuck in a call which holds it.
"""

from __future__ import annotations

import subprocess


def start(leash: int, patience: float = 0.0) -> subprocess.Popen[bytes]:
    """``leash``: the end to read of a pipe that the watcher alone holds open. ``patience``: seconds from its end on."""
    script = f"read _; sleep {patience:g}; kill -KILL 0" if patience else "read _; kill -KILL 0"
    command, nothing = ["/bin/sh", "-c", script], subprocess.DEVNULL
    return subprocess.Popen(command, stdin=leash, stdout=nothing, stderr=nothing)  # noqa: S603 - our own words
