"""When a file was made: what tells it from another one that has its number now."""

from __future__ import annotations

import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

_HERE = -100
"""``AT_FDCWD``."""
_BIRTH = 0x800
"""``STATX_BTIME``, asked for and, in the first word of the answer, given."""
_PLACE = 0x50
_ANSWER = 256


def born(path: Path) -> int | None:
    """In nanoseconds of UTC; ``None`` where system or file system do not tell.

    Python tells it from ``stat`` on some systems, and not on Linux.
    """
    found = getattr(path.stat(), "st_birthtime", None)
    if found is not None:
        return int(found * 1_000_000_000)
    statx = _statx()
    answer = bytearray(_ANSWER)
    if statx is None or statx(path, answer) != 0 or not struct.unpack_from("I", answer)[0] & _BIRTH:
        return None
    seconds, nanoseconds = struct.unpack_from("qI", answer, _PLACE)
    return int(seconds * 1_000_000_000 + nanoseconds)


@cache
def _statx() -> Any:
    import ctypes

    call = getattr(ctypes.CDLL(None), "statx", None)
    if call is None:
        return None

    def ask(path: Path, answer: bytearray) -> int:
        buffer = (ctypes.c_char * _ANSWER).from_buffer(answer)
        return int(call(_HERE, os.fsencode(path), 0, _BIRTH, buffer))

    return ask
