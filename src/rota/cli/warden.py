"""A shell beside a process, in its group: when whoever watches over the process is gone, it kills the group.

It needs no interpreter of Python, and so ends also a process that is stuck in a call which holds it. It is no child of
the process, whose bodies may wait for all the children that it has.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

GROUP = "kill -KILL 0"
GROUP_AND_DESCENDANTS = """
end() {
    for list in /proc/$1/task/*/children; do
        children=
        read -r children < $list
        for child in $children; do [ $child = $$ ] || end $child; done
    done
    kill -KILL $1
}
kill -STOP $1; end $1; kill -KILL 0"""
"""What it kills, by Linux's lists of children; ``$1`` is the process.

Not so the shell that was asked, ``$$``, which the warden itself descends from until it has ended: it is of the group. A
function has nothing of its own but its ``$1``; so each call ends the one that it was called for.
"""


def start(leash: int, kill: str = GROUP, patience: float = 0.0) -> int:
    """Returns its number.

    ``leash`` is the end to read of a pipe that the watcher alone holds open, ``patience`` the seconds from its end on.
    """
    # the shell that is asked ends at once, and leaves the warden to process 1
    pause = f"sleep {patience:g}; " if patience else ""
    script = f"exec 3<&0; {{ read _ <&3; {pause}{kill}; }} >/dev/null & echo $!"
    command = ["/bin/sh", "-c", script, "warden", str(os.getpid())]
    number, told = os.pipe()
    silent = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    actions = [(os.POSIX_SPAWN_DUP2, leash, 0), (os.POSIX_SPAWN_DUP2, told, 1), silent]
    shell = os.posix_spawn("/bin/sh", command, os.environ, file_actions=actions)
    os.close(told)
    with os.fdopen(number, "rb") as answer:
        warden = int(answer.readline())
    os.waitpid(shell, 0)
    return warden


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
