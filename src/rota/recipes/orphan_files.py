"""Remove uploaded files that nothing refers to any more: after repeated evidence, and by way of a quarantine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select

from rota.recipes import tables
from rota.recipes.approval import is_allowed, may_go_on, refuse
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.recipe import without_plan
from rota.recipes.rooted import Rooted
from rota.recipes.rule import digest
from rota.recipes.upload_table import Upload, UploadTable
from rota.recipes.uploads import Uploads

if TYPE_CHECKING:
    from rota import JobResult, Run

MARKER = ".uploads"
QUIET = timedelta(days=1)
"""A file that is younger may belong to an upload whose row is not written yet."""
FEW = 10
"""So many references may vanish between two scans, however few there were."""
_DONE = (
    "quarantined", "restored", "purged", "deleted_records", "deleted_files", "already_missing", "shared", "failed",
    "untracked_files", "bytes_freed",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class OrphanFiles(UploadTable):
    """For a table of uploads. A file is an orphan where none of ``references`` has its key, its ``path``, the last part
    of that, or what stands in the columns ``names``. ``unreferenced_since`` keeps when a scan first saw that; a scan at
    least ``grace`` later moves the file to ``quarantine`` (below ``root``), and one ``quarantined_for`` later deletes
    it with its row. One that is referred to again is put back. Without a quarantine it is deleted at once.

    ``state`` is ``live``, ``quarantined`` or ``deleting``. The guard trips where the files that are referred to have
    become fewer since the last scan, by more than ``most_lost``; and at ``most_rows`` and ``most_fraction`` of
    ``safety``.
    """

    destructive = True

    @property
    def description(self) -> str:
        """``Remove files of uploads that nothing refers to.``"""
        return f"Remove files of {self.table.name} that nothing refers to."

    def untracked(self, now: datetime) -> Iterator[Path]:
        """Files below the root that are a day old and have no row."""
        root = Path(self.root).resolve()
        paths = select(self.path).execution_options(yield_per=1_000)
        with reading(engine_of(self.table)) as connection, connection.execute(paths) as rows:
            known = {os.path.realpath(root / each) for each in rows.scalars() if "\0" not in each}
        for path in Rooted(root).older(now - QUIET, root / self.quarantine if self.quarantine else None):
            if str(path) not in known and path != root / MARKER:
                yield path

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        without_plan(plan)
        scan = self._scan(run)
        scan.perform()
        return scan.result

    def finish(self, run: Run) -> JobResult:
        """Delete at once the files whose rows are ``deleting``, whoever made them so, and then the rows."""
        scan = self._scan(run)
        scan.finish()
        return scan.result

    def _scan(self, run: Run) -> _Scan:
        from rota import JobResult

        result = JobResult(counts=dict.fromkeys(("checked_count", "orphaned_count", *_DONE), 0))
        return _Scan(self, run, engine_of(self.table), Rooted(Path(self.root).resolve()), result)


@dataclass(slots=True)
class _Scan:
    recipe: OrphanFiles
    run: Run
    engine: Engine
    files: Rooted
    result: JobResult

    def perform(self) -> None:
        """1. Look, and stop where something is wrong. 2. Keep the evidence. 3. End what was begun. 4. Claim."""
        recipe, result, uploads = self.recipe, self.result, self._uploads
        if not self.run.dry_run:
            tables.ready(self.engine)
        if wrong := self._wrong_root():
            refuse(result, "root", wrong)
            return
        referred = uploads.referred()
        trips = self._look(referred)
        if self.run.dry_run:
            result.status, result.details["trips"] = "dry_run", trips
            result.message = "; ".join([f"{result.counts['orphaned_count']:,} files are orphans", *trips])
        elif is_allowed(self.run, recipe.safety, result, recipe.table.name, trips, rule=self._rule, count=self._going):
            self._remember()
            for page in uploads.pages(uploads.old):
                uploads.mark(page, referred)
            for act, where in (
                (uploads.remove, recipe.state == "deleting"),
                (uploads.review, recipe.state == "quarantined"),
                (uploads.claim, uploads.due),
            ):
                for page in uploads.pages(where):
                    act(page)
            self._remove_untracked()
            self._settle()

    def finish(self) -> None:
        going, uploads = self.recipe.state == "deleting", self._uploads
        count = sum(len(page) for page in uploads.pages(going, paced=False))
        if self.run.dry_run:
            self.result.status, self.result.message = "dry_run", f"{count:,} files would go"
        elif count and (wrong := self._wrong_root()):
            refuse(self.result, "root", wrong)
        else:
            tables.ready(self.engine)
            for page in uploads.pages(going):
                uploads.remove(page)
            self._settle()

    @property
    def _uploads(self) -> Uploads:
        return Uploads(self.recipe, self.run, self.engine, self.files, self.result)

    def _wrong_root(self) -> str:
        """A root that is not the right one would make every file look as if it were gone already."""
        root = self.files.root
        if not root.is_dir():
            return f"there is no directory {root}"
        pages = self._uploads.pages(self.recipe.state == "live", paced=False)
        live = [self._is_there(each) for each in next(pages, [])]
        is_known = not live or any(live) or (root / MARKER).exists()
        if is_known or any(self._is_there(each) for page in pages for each in page):
            return ""
        return f"{root} has none of the files; where that is right, make an empty file {MARKER} there"

    def _is_there(self, upload: Upload) -> bool:
        try:
            return self.files.find(upload.path).exists()
        except OSError:
            return False

    # --- the guard

    def _look(self, referred: set[str]) -> list[str]:
        counts, uploads = self.result.counts, self._uploads
        for page in uploads.pages(uploads.old, paced=False):
            counts["checked_count"] += len(page)
            counts["orphaned_count"] += sum(referred.isdisjoint(each.names) for each in page)
        counts["untracked_files"] = sum(1 for _ in self.recipe.untracked(self.run.as_of))
        return list(self._trips(counts["checked_count"], counts["orphaned_count"]))

    @property
    def _going(self) -> int:
        counts = self.result.counts
        return counts["orphaned_count"] + (counts["untracked_files"] if self.recipe.remove_untracked else 0)

    @property
    def _rule(self) -> str:
        of = self.recipe
        ages = [str(each) for each in (of.older_than, of.grace, of.quarantined_for)]
        return digest(
            of.table, of.path, str(of.root), of.references, of.names, ages, of.quarantine, of.remove_untracked
        )

    def _trips(self, checked: int, orphans: int) -> Iterator[str]:
        recipe, safety, before, now = self.recipe, self.recipe.safety, self._referred_before(), checked - orphans
        going, of = self._going, now + self._going
        self.result.details |= {"referred": now, "referred_before": before}
        if safety.most_rows is not None and going > safety.most_rows:
            yield f"{going:,} files are more than {safety.most_rows:,}"
        if safety.most_fraction is not None and going > max(safety.floor, of * safety.most_fraction):
            yield f"nothing needs {going:,} of {of:,} files, more than {safety.most_fraction:.0%}"
        if before is not None and before - now > max(FEW, before * recipe.most_lost):
            yield f"{now:,} files are referred to, and {before:,} were at the last scan"
        if orphans and not now:
            self.result.warnings.append("nothing refers to any file")

    def _referred_before(self) -> int | None:
        """How many files were referred to when this job last looked."""
        if not tables.present(self.engine):
            return None
        of = tables.audit.c
        mine = (of.job == self.run.job, of.action == "scan", of.target_table == self.recipe.table.name)
        with reading(self.engine) as connection:
            return connection.scalar(select(of.count).where(*mine).order_by(of.id.desc()).limit(1))

    def _remember(self) -> None:
        with writing(self.engine) as connection:
            referred = self.result.details["referred"]
            tables.record(connection, self.run, "scan", self.recipe.table.name, count=referred)

    # --- the end

    def _remove_untracked(self) -> None:
        if not self.recipe.remove_untracked:
            return
        for path in self.recipe.untracked(self.run.as_of):
            if not may_go_on(self.run, self.recipe.safety):
                return
            with writing(self.engine) as connection:
                tables.record(connection, self.run, "delete_untracked", self.recipe.table.name)
            self.result.counts["bytes_freed"] += self.files.unlink(path)
            self.result.counts["deleted_files"] += 1

    def _settle(self) -> None:
        result = self.result
        done = sum(result.counts[name] for name in ("quarantined", "restored", "deleted_records", "deleted_files"))
        told = [f"{result.counts[name]:,} {name.replace('_', ' ')}" for name in _DONE if result.counts[name]]
        result.message = ", ".join(told) or "nothing to do"
        if result.counts["failed"]:
            result.status = "partial" if done else "failed"
        elif "stopped" in result.details:
            result.status = "partial"
