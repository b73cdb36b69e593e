"""A group of processes: its memory, its end, and what is left of it. Reads Linux's ``/proc``."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36
"""Of Linux's ``prctl``."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def _read(path: str) -> bytes:
    """As few calls of the system as can be: it is done every 50 ms, for each process."""
    file = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(file, 65_536), b""))
    finally:
        os.close(file)


def resident(pid: int) -> int:
    """The memory that a process holds, in bytes; 0 when it is gone."""
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def descendants(pid: int) -> list[int]:
    """All that descends from a process, by the kernel's own lists."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names alone, twenty times a second
            for child in _read(f"/proc/{pid}/task/{task}/children").split():
                found += [int(child), *descendants(int(child))]
    return found


class Children:
    """Those that a process has itself. They are asked for after each attempt: the lists of its threads stay open."""

    def __init__(self, pid: int) -> None:
        self._tasks = f"/proc/{pid}/task"
        self._lists: dict[str, int] = {}

    def are_there(self) -> bool:
        """Whether there is any."""
        with suppress(OSError):
            tasks = os.listdir(self._tasks)  # noqa: PTH208
            for gone in self._lists.keys() - tasks:
                os.close(self._lists.pop(gone))
            return any(map(self._of, tasks))
        return False  # it is gone itself

    def close(self) -> None:
        while self._lists:
            os.close(self._lists.popitem()[1])

    def _of(self, task: str) -> bytes:
        with suppress(OSError):
            if task not in self._lists:
                self._lists[task] = os.open(f"{self._tasks}/{task}/children", os.O_RDONLY)
            return os.pread(self._lists[task], 4_096, 0)
        return b""  # it has ended meanwhile: its children are another thread's


def memory(pid: int) -> int:
    """The memory of a process and of all that descends from it, in bytes."""
    return resident(pid) + sum(map(resident, descendants(pid)))


def adopt_orphans() -> None:
    """Stay the forefather of all that this process starts, also of what puts itself in the background."""
    import ctypes

    with suppress(AttributeError, OSError):  # where the system has no such call
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end(group: int) -> None:
    """Kill every process of a group, whatever each of them is doing."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_with_descendants(leader: int) -> None:
    """Kill the group of a process, and what descends from it in groups of their own."""
    if leader != os.getpid():
        _kill(leader, signal.SIGSTOP)  # it is to start no more
    killed: set[int] = set()
    while found := set(descendants(leader)) - killed:
        for pid in found:
            _kill(pid, signal.SIGKILL)
        killed |= found
    end(leader)


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def reap(groups: set[int]) -> None:
    """Wait for what is left of ended groups.

    Where we are process 1 of a container, their orphans are ours, and may die after any one look: so each group is
    looked at again, at every call, until nobody of it is left.
    """
    for group in list(groups):
        try:
            while os.waitpid(-group, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            groups.discard(group)
