"""The files below one directory, none of which is reached by a name that leads out of it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rooted:
    root: Path
    """Resolved."""

    def find(self, name: str | os.PathLike[str]) -> Path:
        """Where a file of that name is, if there is one; a link is told from the file that it leads to.

        Raises ``OSError`` for a name that leads out of the root, or to what is no regular file.
        """
        if "\0" in os.fspath(name):
            raise OSError("its path is none")
        path = self.root / name
        path = path.parent.resolve() / path.name
        if self.root not in path.parents:
            raise OSError("its path leads out of the root")
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise OSError("its path is that of no regular file")
        return path

    def unlink(self, name: str | os.PathLike[str]) -> int:
        """Returns its size in bytes. Raises ``FileNotFoundError``."""
        path = self.find(name)
        size = path.lstat().st_size
        path.unlink()
        return size

    def move(self, name: str | os.PathLike[str], to: str | os.PathLike[str]) -> None:
        """Raises ``FileNotFoundError``, and ``FileExistsError`` rather than write over another file."""
        source, target = self.find(name), self.find(to)
        source.lstat()
        if target.exists():
            raise FileExistsError(f"there is a file {target.name} already")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)

    def older(self, moment: datetime, without: Path | None = None) -> Iterator[Path]:
        """Files that were last changed before that; no link is followed."""
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(each for each in folders if Path(folder, each) != without)
            for path in (Path(folder, name) for name in sorted(names)):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and datetime.fromtimestamp(status.st_mtime, UTC) < moment:
                    yield path
