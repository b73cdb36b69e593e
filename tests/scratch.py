"""Where a test's files go, which nobody keeps."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOMY = 2 * 2**30
"""A run of all tests leaves some hundred megabytes."""


def scratch() -> Path:
    """In memory, if it has room: the suite makes many files, and some file systems are slow at that."""
    with suppress(OSError):
        found = os.statvfs(MEMORY)
        usable = os.access(MEMORY, os.W_OK) and not found.f_flag & os.ST_NOEXEC
        if usable and found.f_bavail * found.f_frsize >= ROOMY:
            return MEMORY
    return Path("/tmp")
