"""What the database, and the disk of an archive, say of their load: a sweep rests between two batches while any of it
stands too high."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import DBAPIError

from rota.recipes.database import reading

if TYPE_CHECKING:
    from rota import Run

REST_SECONDS = 1.0
LAG_SECONDS, LOCK_WAITS, OLDEST_SECONDS, WAL_BYTES = 10, 5, 600, 2**30
FREE_BYTES, FREE_SHARE = 2**30, 0.05
"""A disk with less than both is nearly full."""
BUSY_SECONDS, LITE_WAL_BYTES = 0.5, 2**28
"""SQLite tells nobody who waits: where a batch waited so long for its turn, others write, too."""

_POSTGRES = {
    "replica lag": (
        "SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication",
        lambda value: value > LAG_SECONDS,
        "a replica is {0:.0f} s behind",
    ),
    "lock waits": (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        lambda value: value > LOCK_WAITS,
        "{0:.0f} connections wait for locks",
    ),
    "oldest transaction": (
        """SELECT max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'""",
        lambda value: value > OLDEST_SECONDS,
        "a transaction is {0:.0f} s old: what is deleted now cannot be cleared away",
    ),
    "autovacuum": (
        "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = CAST(:table AS regclass)",
        lambda value: value > 0,
        "autovacuum is at work on this table",
    ),
    "wal": (
        "SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots",
        lambda value: value > WAL_BYTES,
        "a replication slot keeps {0:.0f} bytes of write-ahead log",
    ),
}


@dataclass(slots=True)
class Pressure:
    """Of one database, around one table, and of the folder that the sweep writes to. What it may not ask, it does not
    ask again."""

    engine: Engine
    table: Table
    folder: Path | None = None
    waited: float = 0.0
    """Seconds that the last batch waited for its turn to write."""
    _refused: set[str] = field(default_factory=set)

    def wait(self, run: Run) -> None:
        """Rest until nothing stands too high; says why in the run's log, and by an event ``recipe.held``."""
        told = ""
        while reason := self.reason():
            if reason != told:
                run.log.info("the sweep rests", reason=reason)
                run.emit("recipe.held", reason=reason)
                told = reason
            run.sleep(REST_SECONDS)
        if told:
            run.emit("recipe.resumed", reason=told)

    def reason(self) -> str:
        """What stands too high; nothing, if nothing does."""
        if self.folder is not None and (full := _nearly_full(self.folder)):
            return full
        if self.engine.dialect.name != "postgresql":
            return self._of_sqlite()
        with reading(self.engine) as connection:
            for name, (statement, is_high, words) in _POSTGRES.items():
                if name not in self._refused and (said := self._ask(connection, name, statement, is_high, words)):
                    return said
        return ""

    def _of_sqlite(self) -> str:
        waited, self.waited = self.waited, 0.0  # one rest, and then it tries
        if waited > BUSY_SECONDS:
            return f"others write to this database, too: the last batch waited {waited:.1f} s for its turn"
        try:
            log = Path(f"{self.engine.url.database}-wal").stat().st_size
        except OSError:
            return ""
        return f"the write-ahead log has {log:,} bytes: a reader keeps it" if log > LITE_WAL_BYTES else ""

    def _ask(
        self, connection: Connection, name: str, statement: str, is_high: Callable[[float], bool], words: str
    ) -> str:
        try:
            with connection.begin_nested():
                given = {"table": self.table.fullname} if ":table" in statement else {}
                value = connection.scalar(text(statement), given)
        except DBAPIError:
            self._refused.add(name)
            return ""
        return words.format(value) if value is not None and is_high(float(value)) else ""


def _nearly_full(folder: Path) -> str:
    there = next(each for each in (folder, *folder.resolve().parents) if each.exists())
    disk = shutil.disk_usage(there)
    if disk.free >= min(FREE_BYTES, disk.total * FREE_SHARE):
        return ""
    return f"the disk of {folder} has {disk.free:,} bytes left"
