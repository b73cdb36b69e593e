"""Rotate, compress and delete log files, so that they neither grow nor stay for ever."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.gate import check
from rota.recipes.recipe import Recipe, without_plan

if TYPE_CHECKING:
    from rota import JobResult, Run

MEGABYTE = 2**20
QUIET = timedelta(hours=1)
"""A file that was written to in the last hour may still be: it is not compressed."""
_DATE = r"(?P<date>\d{4}-?\d{2}-?\d{2})(?:[-T_](?P<time>\d{6}))?(?:-\d+)?"
_AFTER = re.compile(rf"(?P<active>.+?)\.(?:\d{{1,3}}|{_DATE})(?P<gz>\.gz)?")
_WITHIN = re.compile(rf"(?P<stem>.+?)-{_DATE}(?P<suffix>\.[^.]+)(?P<gz>\.gz)?")


@dataclass(frozen=True, eq=False)
class PruneLogs(Recipe):
    """For the files of one directory. An *active* file matches a pattern; a *rotated* one has its name with a number or
    a date, as ``app.log.1``, ``app.log.20261005-040000.gz`` or ``app-20261005.log``. Nothing else is looked at, and no
    symbolic link is followed. An active file is never deleted.

    Active files of more than ``max_megabytes`` are rotated: renamed, after which ``reopen`` is called; or, where the
    writer cannot be told, with ``mode="copytruncate"`` copied and emptied, which may lose lines written meanwhile.
    No archive is written over: where ``app.log.1.gz`` is another day's, it is ``app.log.20261005-040000.gz``.
    """

    directory: str | os.PathLike[str]
    _: KW_ONLY
    patterns: Sequence[str] = ("*.log",)
    older_than: Age | timedelta | str = "30d"
    max_megabytes: float | None = 100
    max_files: int | None = 10
    compress: bool = True
    keep_at_least: Age | timedelta | str = "24h"
    max_total_megabytes: float | None = None
    mode: Literal["rename", "copytruncate"] = "rename"
    reopen: Callable[[Path], None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "older_than", Age.of(self.older_than))
        object.__setattr__(self, "keep_at_least", Age.of(self.keep_at_least))

    @property
    def description(self) -> str:
        """``Prune the log files of /var/log/app.``"""
        return f"Prune the log files of {self.directory}."

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        """Raises ``ConfigError`` where there is no such directory."""
        without_plan(plan)
        root = Path(self.directory)
        if not root.is_dir():
            raise ConfigError(f"there is no directory {root}", hint="Make it, or give the one that the logs are in.")
        return _Pruning(self, run, root.resolve()).perform()


@dataclass(frozen=True, slots=True)
class _File:
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


@dataclass(slots=True)
class _Pruning:
    recipe: PruneLogs
    run: Run
    root: Path
    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[str, OSError]] = field(default_factory=list)
    gone: set[Path] = field(default_factory=set)

    def perform(self) -> JobResult:
        """Old ones go before others are compressed: no work for nothing, and room for the rest."""
        from rota import JobResult

        names = ("rotated", "compressed", "deleted_age", "deleted_count", "bytes_freed", "bytes_saved_by_compression")
        self.counts.update(dict.fromkeys(names, 0))
        self._rotate()
        self._delete_old()
        self._delete_many()
        self._compress()
        self._keep_within_total()
        result = JobResult(counts=dict(self.counts), details={"skipped": dict(self.skipped)})
        for name, error in self.errors:
            result.add_error(name, "file", error.strerror or type(error).__name__)
        oldest = min((file.at for file in self._files() if not file.is_active), default=None)
        result.details["oldest_kept"] = oldest.isoformat() if oldest else None
        done = sum(self.counts[name] for name in names[:4])
        result.status = "dry_run" if self.run.dry_run else "success"
        if self.errors:
            result.status = "partial" if done else "failed"
        result.message = ", ".join(
            f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts.items() if count
        )
        return result

    # --- the steps

    def _rotate(self) -> None:
        most = self.recipe.max_megabytes
        for file in self._files() if most is not None else ():
            if file.is_active and file.size > (most or 0) * MEGABYTE:
                self._try(file, "rotated", self._rotate_one)

    def _delete_old(self) -> None:
        cutoff = Age.of(self.recipe.older_than).before(self.run.as_of)
        for file in self._rotated():
            if file.at < cutoff:
                self._try(file, "deleted_age", self._delete)

    def _delete_many(self) -> None:
        """Too many of one name, but none so young that a crash loop would throw away what tells of the crash."""
        most, young = self.recipe.max_files, Age.of(self.recipe.keep_at_least).before(self.run.as_of)
        by_active: dict[str, list[_File]] = defaultdict(list)
        for file in self._rotated() if most is not None else ():
            by_active[file.active].append(file)
        for files in by_active.values():
            files.sort(key=lambda file: (file.at, file.path.name), reverse=True)
            for file in files[most:]:
                if file.at < young:
                    self._try(file, "deleted_count", self._delete)

    def _compress(self) -> None:
        for left in self.root.glob("*.gz.tmp"):
            if _changed_at(left.lstat()) < self.run.as_of - QUIET and not self.run.dry_run:
                left.unlink(missing_ok=True)
        for file in self._rotated() if self.recipe.compress else ():
            if file.path.suffix == ".gz":
                continue
            if file.changed_at > self.run.as_of - QUIET:
                self.skipped["in_use"] += 1
            else:
                self._try(file, "compressed", self._compress_one)

    def _keep_within_total(self) -> None:
        most = self.recipe.max_total_megabytes
        if most is None:
            return
        files = list(self._files())
        total = sum(file.size for file in files)
        for file in sorted((file for file in files if not file.is_active), key=lambda file: file.at):
            if total <= most * MEGABYTE:
                return
            self._try(file, "deleted_total", self._delete)
            total -= file.size

    # --- one file

    def _try(self, file: _File, count: str, act: Callable[[_File], None]) -> None:
        """What one file refuses is told, and the others go on; one that has vanished meanwhile is no matter."""
        check(self.run)
        try:
            act(file)
        except FileNotFoundError:
            return
        except OSError as error:
            self.errors.append((file.path.name, error))
            return
        self.counts[count] += 1

    def _rotate_one(self, file: _File) -> None:
        stamp = f"{file.path.name}.{self.run.as_of:%Y%m%d-%H%M%S}"
        names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1_000)))
        target = next(each for each in (self.root / name for name in names) if not each.exists())
        if self.run.dry_run:
            return
        if self.recipe.mode == "rename":
            file.path.rename(target)
        else:
            shutil.copy2(file.path, target)
            _to_disk(target)
            os.truncate(file.path, 0)
        if self.recipe.reopen is not None:
            self.recipe.reopen(file.path)

    def _delete(self, file: _File) -> None:
        if not self.run.dry_run:
            file.path.unlink()
        self.gone.add(file.path)
        self.counts["bytes_freed"] += file.size

    def _compress_one(self, file: _File) -> None:
        if self.run.dry_run:
            return
        target = self._archive_of(file)
        partial = target.with_name(f"{target.name}.tmp")
        try:
            self._write_compressed(file.path, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        file.path.unlink()
        self.counts["bytes_saved_by_compression"] += file.size - target.stat().st_size

    def _archive_of(self, file: _File) -> Path:
        """Never one with other content: that of ``app.log.1`` may be of the day before. Then its moment is in the
        name."""
        stamp = f"{file.active}.{file.at:%Y%m%d-%H%M%S}"
        names = (file.path.name, stamp, *(f"{stamp}-{number}" for number in range(2, 1_000)))
        paths = (self.root / f"{name}.gz" for name in names)
        return next(each for each in paths if not os.path.lexists(each) or _is_packed(file.path, each))

    @staticmethod
    def _write_compressed(source: Path, partial: Path) -> None:
        """With the mode, the owner and the age of its source; read back before that one goes."""
        status = source.stat()
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, status.st_mode & 0o777)
        with source.open("rb") as plain, os.fdopen(descriptor, "wb") as file, gzip.open(file, "wb") as packed:
            shutil.copyfileobj(plain, packed, MEGABYTE)
        _to_disk(partial)
        with gzip.open(partial, "rb") as packed, source.open("rb") as plain:
            if _sum(packed) != _sum(plain):
                raise OSError(f"{source.name} was changed while it was compressed")
        os.chmod(partial, status.st_mode & 0o777)  # noqa: PTH101 - beside the two below
        if os.geteuid() == 0:
            os.chown(partial, status.st_uid, status.st_gid)
        os.utime(partial, ns=(status.st_atime_ns, status.st_mtime_ns))

    # --- which they are

    def _rotated(self) -> list[_File]:
        return [file for file in self._files() if not file.is_active]

    def _files(self) -> Iterator[_File]:
        names = {entry.name: entry for entry in os.scandir(self.root)}
        self.skipped = Counter({key: count for key, count in self.skipped.items() if key == "in_use"})
        for name, entry in sorted(names.items()):
            active = self._active_of(name, set(names))
            if active is None:
                self.skipped["foreign"] += not entry.is_dir()
            elif entry.is_symlink():
                self.skipped["symlink"] += 1
            elif entry.is_file() and Path(entry.path) not in self.gone:
                status = entry.stat()
                changed_at = _changed_at(status)
                at = changed_at if name == active else _moment_in(name) or changed_at
                yield _File(Path(entry.path), active, at, changed_at, status.st_size)

    def _active_of(self, name: str, names: set[str]) -> str | None:
        """A name with a date is that of a rotated file, where there is a file without; else it is active itself."""
        if (found := _AFTER.fullmatch(name)) and self._matches(found["active"]):
            return found["active"]
        if (found := _WITHIN.fullmatch(name)) and self._matches(active := found["stem"] + found["suffix"]):
            if active in names:
                return active
            if found["gz"]:
                return None
        return name if self._matches(name) else None

    def _matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.recipe.patterns)


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


def _changed_at(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _sum(file: object) -> tuple[int, int]:
    """Length and checksum."""
    length = check = 0
    while data := file.read(MEGABYTE):  # type: ignore[attr-defined]
        length, check = length + len(data), zlib.crc32(data, check)
    return length, check


def _is_packed(source: Path, archive: Path) -> bool:
    """Whether that is its archive already: of a run that ended before the source was gone."""
    if archive.is_symlink() or not archive.is_file():
        return False
    try:
        with gzip.open(archive, "rb") as packed, source.open("rb") as plain:
            return _sum(packed) == _sum(plain)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
