"""The rows of uploads and their files: claimed by compare-and-set, moved, deleted, put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, false, or_, select, update

from rota.recipes import tables
from rota.recipes.age import Age
from rota.recipes.approval import may_go_on
from rota.recipes.database import reading, writing
from rota.recipes.quarantine import Quarantine
from rota.recipes.rooted import Rooted
from rota.recipes.rows import Key, Rows, shown
from rota.recipes.upload_table import Upload, UploadTable
from rota.recipes.values import as_kept

if TYPE_CHECKING:
    from rota import JobResult, Run


@dataclass(slots=True)
class Uploads:
    """What one run does to them, a batch at a time; what is told is added to ``result``."""

    recipe: UploadTable
    run: Run
    engine: Engine
    files: Rooted
    result: JobResult

    @property
    def old(self) -> ColumnElement[bool]:
        return self.recipe.old(self.run.as_of)

    @property
    def due(self) -> ColumnElement[bool]:
        return self.recipe.due(self.run.as_of)

    @property
    def _quarantine(self) -> Quarantine:
        return Quarantine(self.files, self.recipe.quarantine)

    # --- which they are

    def pages(self, where: ColumnElement[bool], *, paced: bool = True) -> Iterator[list[Upload]]:
        recipe, rows, after = self.recipe, Rows(self.recipe.table, where), None
        named = (recipe.path, recipe.unreferenced_since, recipe.claimed_at, *recipe.names)
        columns = [column.label(f"_{number}") for number, column in enumerate(named)]
        while True:
            self.run.check()
            if paced and not may_go_on(self.run, recipe.safety):
                self.result.details["stopped"] = f"its window {recipe.safety.window} UTC is over"
                return
            with reading(self.engine) as connection:
                found = connection.execute(rows.page(after, recipe.safety.batch).add_columns(*columns)).all()
            page = [Upload.of(tuple(row), len(rows.key)) for row in found]
            if not page:
                return
            yield page
            after = page[-1].key
            self.run.sleep(recipe.safety.pause_seconds if paced else 0)

    def referred(self) -> set[str]:
        """Every name that something refers to, as it is now; for those of which none is plain, whatever a text may
        mean."""
        with reading(self.engine) as connection:
            found = self._referred(connection, [])
        orphans = [each for page in self.pages(self.old, paced=False) for each in page if found.isdisjoint(each.names)]
        if not orphans:
            return found
        with reading(self.engine) as connection:
            return self._referred(connection, orphans)

    def _referred(self, connection: Connection, page: Sequence[Upload]) -> set[str]:
        wanted = {name for each in page for name in each.names}
        return {name for each in self.recipe.all_references for name in each.names(connection, wanted)}

    # --- what is done to them

    def mark(self, page: Sequence[Upload], referred: set[str]) -> None:
        """Keep since when nothing refers to it, and forget it where something does again."""
        fresh = [each for each in page if each.since is None and referred.isdisjoint(each.names)]
        again = [each for each in page if each.since is not None and not referred.isdisjoint(each.names)]
        if fresh or again:
            with writing(self.engine) as connection:
                self._set(connection, "mark", fresh, self.old, unreferenced_since=self.run.as_of)
                self._set(connection, "unmark", again, self.old, unreferenced_since=None)

    def claim(self, page: Sequence[Upload]) -> None:
        """Looks once more what refers to them, in the transaction of the claim."""
        state = "quarantined" if self.recipe.quarantine else "deleting"
        with writing(self.engine) as connection:
            referred = self._referred(connection, page)
            again = [each for each in page if not referred.isdisjoint(each.names)]
            self._set(connection, "unmark", again, self.old, unreferenced_since=None)
            orphans = [each for each in page if referred.isdisjoint(each.names)]
            claimed = self._set(connection, state, orphans, self.due, state=state, claimed_at=self.run.as_of)
        if state == "deleting":
            self.remove(claimed)
            return
        self._each(claimed, "quarantined", self._to_quarantine)

    def review(self, page: Sequence[Upload]) -> None:
        """Those in quarantine: put back what is referred to again, delete what has been there long enough."""
        recipe, quarantined = self.recipe, self.recipe.state == "quarantined"
        long_ago = Age.of(recipe.quarantined_for).before(self.run.as_of)
        with writing(self.engine) as connection:
            referred = self._referred(connection, page)
            orphans = [each for each in page if referred.isdisjoint(each.names)]
            over = [each for each in orphans if each.claimed_at is None or each.claimed_at <= long_ago]
            going = self._set(connection, "deleting", over, quarantined, state="deleting")
        self._each([each for each in page if not referred.isdisjoint(each.names)], "restored", self._restore)
        staying = [each for each in orphans if each not in over and not self._quarantine.is_another(each)]
        self._each(staying, "", self._to_quarantine)  # where a crash came between
        self.remove(going)

    def remove(self, page: Sequence[Upload]) -> None:
        """Their files, then their rows; a row whose file cannot be deleted stays, so that it is not forgotten."""
        shared = self._shared(page)
        gone = self._each(page, "", lambda each: self._unlink(each, is_shared=each.path in shared))
        rows = Rows(self.recipe.table, self.recipe.state == "deleting")
        if gone:
            with writing(self.engine) as connection:
                going = delete(rows.table).where(rows.among([each.key for each in gone])).returning(*rows.key)
                keys = [tuple(row) for row in connection.execute(going)]
                self._record(connection, "delete", keys)
            self.result.counts["deleted_records"] += len(keys)
        for each in set(page) - set(gone):
            with writing(self.engine) as connection:
                if self._quarantine.holds(each) is None:
                    self._set(connection, "live", [each], rows.where, state="live", claimed_at=None)
                else:
                    self._set(connection, "quarantined", [each], rows.where, state="quarantined")

    # --- one of them

    def _each(self, page: Sequence[Upload], count: str, act: Callable[[Upload], None]) -> list[Upload]:
        """Those that did not refuse; the others are told, and go on to be claimed in a later run."""
        done = []
        for each in page:
            try:
                act(each)
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self.result.add_error(shown(each.key), "file", why)
                self.result.counts["failed"] += 1
                continue
            self.result.counts |= {count: self.result.counts[count] + 1} if count else {}
            done.append(each)
        return done

    def _to_quarantine(self, upload: Upload) -> None:
        upload = upload._replace(claimed_at=upload.claimed_at or self.run.as_of)
        if upload.path in self._shared([upload]):
            return
        try:
            self.files.move(upload.path, self._quarantine.place_of(upload))
        except FileNotFoundError:
            return  # moved already, or gone: told where it is deleted
        except OSError:
            with writing(self.engine) as connection:
                was = self.recipe.state == "quarantined"
                self._set(connection, "live", [upload], was, state="live", claimed_at=None)
            raise

    def _restore(self, upload: Upload) -> None:
        if (hidden := self._quarantine.holds(upload)) is not None:
            self.files.move(hidden, upload.path)
        nothing = {"unreferenced_since": None, "claimed_at": None}
        with writing(self.engine) as connection:
            self._set(connection, "restore", [upload], self.recipe.state == "quarantined", state="live", **nothing)

    def _unlink(self, upload: Upload, *, is_shared: bool) -> None:
        counts, hidden = self.result.counts, self._quarantine.holds(upload)
        if hidden is None and is_shared:
            counts["shared"] += 1
            return
        if hidden is None and self._quarantine.is_another(upload):
            counts["already_missing"] += 1
            return
        try:
            counts["bytes_freed"] += self.files.unlink(hidden or upload.path)
            counts["deleted_files"] += 1
            counts["purged"] += hidden is not None
        except FileNotFoundError:
            counts["already_missing"] += 1
        if hidden is not None:
            with suppress(OSError):  # it holds others still
                (self.files.root / hidden).parent.rmdir()

    # --- their rows

    def _shared(self, page: Sequence[Upload]) -> set[str]:
        """Paths of those whose file belongs to a living upload as well, which may write its path otherwise: all that
        end with the same name are looked at."""
        ours, last = {each.path: self._place(each.path) for each in page}, self.recipe.path
        names = {Path(place).name for place in ours.values()}
        alike = or_(false(), *(last.endswith(name, autoescape=True) for name in sorted(names)))
        with reading(self.engine) as connection:
            living = connection.scalars(select(last).where(self.recipe.state == "live", alike))
            places = {self._place(path) for path in living}
        return {path for path, place in ours.items() if place in places}

    def _place(self, path: str) -> str:
        """Where the file of that path is, whatever folders lead there; the path itself, where it can be none."""
        try:
            return str(self.files.find(path))
        except OSError:
            return path

    def _set(
        self, connection: Connection, action: str, page: Sequence[Upload], where: ColumnElement[bool], **values: Any
    ) -> list[Upload]:
        """Those of which ``where`` held still, and that are now as the values say."""
        if not page:
            return []
        rows, columns = Rows(self.recipe.table, where), {name: getattr(self.recipe, name) for name in values}
        kept = {columns[name].key: as_kept(columns[name], value) for name, value in values.items()}
        change = update(rows.table).where(rows.among([each.key for each in page])).values(kept).returning(*rows.key)
        keys = {tuple(row) for row in connection.execute(change)}
        changed = [each for each in page if each.key in keys]
        self._record(connection, action, [each.key for each in changed])
        return [each._replace(claimed_at=values.get("claimed_at") or each.claimed_at) for each in changed]

    def _record(self, connection: Connection, action: str, keys: Sequence[Key]) -> None:
        if keys:
            sample = [shown(key) for key in keys[: self.recipe.safety.sample]]
            name = self.recipe.table.name
            tables.record(connection, self.run, action, name, count=len(keys), sample=sample, cutoff=self._cutoff)

    @property
    def _cutoff(self) -> datetime:
        return Age.of(self.recipe.older_than).before(self.run.as_of)
