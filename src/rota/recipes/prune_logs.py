"""Rotate, compress and delete log files, so that they neither grow nor stay for ever."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.approval import check
from rota.recipes.log_files import MEGABYTE, LogFile, changed_at, is_packed, log_files, pack, to_disk
from rota.recipes.recipe import Recipe, without_plan

if TYPE_CHECKING:
    from rota import JobResult, Run

QUIET = timedelta(hours=1)
"""A file that was written to in the last hour may still be: it is not compressed."""


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
        by_active: dict[str, list[LogFile]] = defaultdict(list)
        for file in self._rotated() if most is not None else ():
            by_active[file.active].append(file)
        for files in by_active.values():
            files.sort(key=lambda file: (file.at, file.path.name), reverse=True)
            for file in files[most:]:
                if file.at < young:
                    self._try(file, "deleted_count", self._delete)

    def _compress(self) -> None:
        for left in self.root.glob("*.gz.tmp"):
            if changed_at(left.lstat()) < self.run.as_of - QUIET and not self.run.dry_run:
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

    def _try(self, file: LogFile, count: str, act: Callable[[LogFile], None]) -> None:
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

    def _rotate_one(self, file: LogFile) -> None:
        stamp = f"{file.path.name}.{self.run.as_of:%Y%m%d-%H%M%S}"
        names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1_000)))
        target = next(each for each in (self.root / name for name in names) if not each.exists())
        if self.run.dry_run:
            return
        if self.recipe.mode == "rename":
            file.path.rename(target)
        else:
            shutil.copy2(file.path, target)
            to_disk(target)
            os.truncate(file.path, 0)
        if self.recipe.reopen is not None:
            self.recipe.reopen(file.path)

    def _delete(self, file: LogFile) -> None:
        if not self.run.dry_run:
            file.path.unlink()
        self.gone.add(file.path)
        self.counts["bytes_freed"] += file.size

    def _compress_one(self, file: LogFile) -> None:
        if self.run.dry_run:
            return
        target = self._archive_of(file)
        partial = target.with_name(f"{target.name}.tmp")
        try:
            pack(file.path, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        file.path.unlink()
        self.counts["bytes_saved_by_compression"] += file.size - target.stat().st_size

    def _archive_of(self, file: LogFile) -> Path:
        """Never one with other content: that of ``app.log.1`` may be of the day before. Then its moment is in the
        name."""
        stamp = f"{file.active}.{file.at:%Y%m%d-%H%M%S}"
        names = (file.path.name, stamp, *(f"{stamp}-{number}" for number in range(2, 1_000)))
        paths = (self.root / f"{name}.gz" for name in names)
        return next(each for each in paths if not os.path.lexists(each) or is_packed(file.path, each))

    # --- which they are

    def _files(self) -> list[LogFile]:
        in_use = self.skipped["in_use"]
        self.skipped = Counter({"in_use": in_use} if in_use else {})
        return list(log_files(self.root, self.recipe.patterns, self.gone, self.skipped))

    def _rotated(self) -> list[LogFile]:
        return [file for file in self._files() if not file.is_active]
