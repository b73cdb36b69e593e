"""A body with an effect: 16 bytes at the end of a file, which show from outside how fast runs are done."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

LINE = b"0123456789abcde\n"
FILE = "BENCH_EFFECTS"


class Effects:
    """A file that bodies append to, and how fast it grows."""

    def __init__(self) -> None:
        self.path = Path(os.environ.get(FILE) or tempfile.mktemp(prefix="rota-bench-"))
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def append(self) -> None:
        os.write(self._file, LINE)

    def rate(self, count: int, patience: float = 240.0) -> float:
        """Wait for so many; returns how many there were a second, from the first one on."""
        begun = self._reached(1, patience)
        ended = self._reached(count, patience)
        self.path.unlink()
        return (count - 1) / (ended - begun)

    def _reached(self, count: int, patience: float) -> float:
        give_up_at = time.perf_counter() + patience
        while self.path.stat().st_size < count * len(LINE):
            if time.perf_counter() > give_up_at:
                raise SystemExit(f"only {self.path.stat().st_size // len(LINE)} of {count} were done")
            time.sleep(0.0005)
        return time.perf_counter()
