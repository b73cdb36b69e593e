"""Log files: which there are in a directory, active and rotated, and how one is packed."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

MEGABYTE = 2**20
_DATE = r"(?P<date>\d{4}-?\d{2}-?\d{2})(?:[-T_](?P<time>\d{6}))?(?:-\d+)?"
_AFTER = re.compile(rf"(?P<active>.+?)\.(?:\d{{1,3}}|{_DATE})(?P<gz>\.gz)?")
_WITHIN = re.compile(rf"(?P<stem>.+?)-{_DATE}(?P<suffix>\.[^.]+)(?P<gz>\.gz)?")


@dataclass(frozen=True, slots=True)
class LogFile:
    path: Path
    active: str
    """The name of the file that it was rotated from; its own, where it is active."""
    at: datetime
    """From which its age counts: the moment in its name, else the last change of it."""
    changed_at: datetime
    size: int

    @property
    def is_active(self) -> bool:
        return self.path.name == self.active


def log_files(
    root: Path, patterns: Sequence[str], without: Collection[Path], skipped: Counter[str]
) -> Iterator[LogFile]:
    """Those of a directory, by name; why others are left alone is counted in ``skipped``."""
    names = {entry.name: entry for entry in os.scandir(root)}
    for name, entry in sorted(names.items()):
        active = _active_of(name, set(names), patterns)
        if active is None:
            skipped["foreign"] += not entry.is_dir()
        elif entry.is_symlink():
            skipped["symlink"] += 1
        elif entry.is_file() and Path(entry.path) not in without:
            status = entry.stat()
            changed = changed_at(status)
            at = changed if name == active else _moment_in(name) or changed
            yield LogFile(Path(entry.path), active, at, changed, status.st_size)


def _active_of(name: str, names: Collection[str], patterns: Sequence[str]) -> str | None:
    """A name with a date is that of a rotated file, where there is a file without; else it is active itself."""
    if (found := _AFTER.fullmatch(name)) and _matches(found["active"], patterns):
        return found["active"]
    if (found := _WITHIN.fullmatch(name)) and _matches(active := found["stem"] + found["suffix"], patterns):
        if active in names:
            return active
        if found["gz"]:
            return None
    return name if _matches(name, patterns) else None


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def pack(source: Path, partial: Path) -> None:
    """With the mode, the owner and the age of its source; read back before that one goes."""
    status = source.stat()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, status.st_mode & 0o777)
    with source.open("rb") as plain, os.fdopen(descriptor, "wb") as file, gzip.open(file, "wb") as packed:
        shutil.copyfileobj(plain, packed, MEGABYTE)
    to_disk(partial)
    with gzip.open(partial, "rb") as packed, source.open("rb") as plain:
        if _sum(packed) != _sum(plain):
            raise OSError(f"{source.name} was changed while it was compressed")
    os.chmod(partial, status.st_mode & 0o777)  # noqa: PTH101 - beside the two below
    if os.geteuid() == 0:
        os.chown(partial, status.st_uid, status.st_gid)
    os.utime(partial, ns=(status.st_atime_ns, status.st_mtime_ns))


def _moment_in(name: str) -> datetime | None:
    found = _AFTER.fullmatch(name) or _WITHIN.fullmatch(name)
    if found is None or found["date"] is None:
        return None
    try:
        return datetime.strptime(found["date"].replace("-", "") + (found["time"] or "000000"), "%Y%m%d%H%M%S").replace(
            tzinfo=UTC
        )
    except ValueError:
        return None


def changed_at(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _sum(file: object) -> tuple[int, int]:
    """Length and checksum."""
    length = check = 0
    while data := file.read(MEGABYTE):  # type: ignore[attr-defined]
        length, check = length + len(data), zlib.crc32(data, check)
    return length, check


def is_packed(source: Path, archive: Path) -> bool:
    """Whether that is its archive already: of a run that ended before the source was gone."""
    if archive.is_symlink() or not archive.is_file():
        return False
    try:
        with gzip.open(archive, "rb") as packed, source.open("rb") as plain:
            return _sum(packed) == _sum(plain)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
