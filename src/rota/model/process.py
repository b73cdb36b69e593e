"""A process of this machine: whether it is there, and what memory this one holds."""

from __future__ import annotations

import os


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """A dead process that its parent has not yet waited for still answers to signals."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - pathlib is slow to import
            stat = file.read()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"


def resident_bytes() -> int | None:
    """The memory this process holds now, or ``None`` where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            pages = int(file.read().split()[1])
    except (OSError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
