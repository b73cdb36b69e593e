"""SQLite: one file, one writer at a time, any number of processes."""

from __future__ import annotations

import json
import os
import random
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rota.errors import ConfigError, SchemaError, StoreError, StoreReplacedError, StoreUnreachableError
from rota.forks import Gate, leave_to_parent, notice, tell_of_forks
from rota.model.home import FileHome
from rota.store.birth import born
from rota.store.database import NO_TABLES, OTHER_TABLES, Query, Row, Transaction, Work, load_queries

BUSY_SECONDS = 30.0
PROBE_SECONDS = 1.0
_gate = Gate()
"""SQLite's own locks are shared by all connections of a process."""
_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True)
class SqliteDialect:
    name: str = "sqlite"
    identity: str = "INTEGER PRIMARY KEY AUTOINCREMENT"
    skip_locked: str = ""
    for_update: str = ""

    def table(self, name: str) -> str:
        return name

    def rows(self, columns: list[tuple[str, str]]) -> str:
        picked = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, (name, _) in enumerate(columns))
        return f"(SELECT {picked} FROM json_each(:rows))"  # noqa: S608 - names from our own files

    def among(self, name: str, kind: str) -> str:  # noqa: ARG002 - nothing is named or typed here
        return "IN (SELECT json_extract(value, '$[0]') FROM json_each(:rows))"

    def parameters(self, sql: str) -> str:
        return sql


class SqliteTransaction(Transaction):
    __slots__ = ()

    def over(self, query: str, rows: Sequence[Row], **parameters: Any) -> list[Row]:
        return self.all(query, **parameters, rows=json.dumps(rows))

    def script(self, sql: str) -> list[Row]:
        return [row for part in _statements(sql) for row in self._connection.execute(part).fetchall()]


class JoinedSqliteTransaction(SqliteTransaction):
    """Queries on a connection of the caller's, who may have it make something else than tuples of rows."""

    __slots__ = ("_path",)

    def __init__(self, connection: sqlite3.Connection, queries: dict[str, Query], path: Path) -> None:
        super().__init__(connection, queries)
        self._path = path

    def refuse_another_file(self) -> None:
        """A run on a connection to some other database would never be found."""
        files = {name: file for _, name, file in self._execute("PRAGMA database_list", {})}
        if files["main"] == str(self._path):
            return
        if not files["main"] or Path(files["main"]).resolve() != self._path.resolve():
            raise ConfigError(
                f"the connection is to {files['main'] or 'a database in memory'}, and the store is {self._path}",
                hint="Enqueue on a connection to the store's own database.",
            )

    def _execute(self, sql: str, parameters: dict[str, Any]) -> Any:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        try:
            return cursor.execute(sql, parameters)
        except sqlite3.OperationalError as error:
            raise _translated(error, self._path) from error


class SqliteDatabase:
    """A file given as ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

    ``?synchronous=normal`` trades the last moments before a power cut for speed; the default, ``full``, does not.
    """

    dialect = SqliteDialect()

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.path = Path(parts.path.removeprefix("/") if url.startswith("sqlite:///") else "").expanduser()
        if self.path.name in {"", ":memory:"}:
            raise ConfigError(f"{url!r} names no file", hint="Write sqlite:///app.db, or sqlite:////var/lib/app.db.")
        self._absolute = self.path.absolute()
        self._file: tuple[int, int] | None = None
        """Device and number of the file that was opened first."""
        self._synchronous = parse_qs(parts.query).get("synchronous", ["full"])[0]
        if self._synchronous not in {"full", "normal"}:
            raise ConfigError(f"synchronous={self._synchronous} is not known", hint="Write full (default) or normal.")
        self._queries = load_queries(self.dialect)
        self._idle: deque[sqlite3.Connection] = deque()
        self._idle_brief: deque[sqlite3.Connection] = deque()
        # Threads of one process queue here, fairly and at once; SQLite's own waiting sleeps for up to 100 ms.
        self._writer = threading.RLock()
        tell_of_forks(self)
        _gate.watch(self)

    def put_away(self) -> None:
        """SQLite takes the locks of the parent's open files for the child's own; so none is open at a fork."""
        self.close()

    def after_fork(self) -> None:
        """What was in use must not even be closed in the child."""
        leave_to_parent(self._idle, self._idle_brief)
        self._idle, self._idle_brief, self._writer = deque(), deque(), threading.RLock()

    def now_us(self) -> int:
        return time.time_ns() // 1000

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[SqliteTransaction]:
        notice()
        with self._writer, self._connection(durable) as connection:
            _begin(connection)
            try:
                yield SqliteTransaction(connection, self._queries)
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def single(self, durable: bool = True) -> AbstractContextManager[SqliteTransaction]:
        return self.write(durable)

    @contextmanager
    def read(self) -> Iterator[SqliteTransaction]:
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield SqliteTransaction(connection, self._queries)
            finally:
                _roll_back(connection)

    def hint(self, work: Work | None) -> None:
        """There is no way to; they poll."""

    def joined(self, connection: Any) -> JoinedSqliteTransaction:
        if not isinstance(connection, sqlite3.Connection):
            raise ConfigError(
                f"a {type(connection).__module__} connection was given, but the store is SQLite",
                hint="Enqueue on a connection to the store's own database.",
            )
        transaction = JoinedSqliteTransaction(connection, self._queries, self._absolute)
        transaction.refuse_another_file()
        return transaction

    def exclusive(self) -> AbstractContextManager[SqliteTransaction]:
        return self.write()

    def home(self, tx: Transaction) -> FileHome:  # noqa: ARG002 - as the other database's
        found, host = self._absolute.stat(), socket.gethostname()
        return FileHome(
            place=f"{self._absolute} on {host}",
            number=found.st_ino,
            born=born(self._absolute),
            volume=os.statvfs(self._absolute).f_fsid or found.st_dev,
            host=host,
            path=str(self._absolute),
        )

    def facts(self) -> dict[str, Any]:
        with self._connection() as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
        return {"kind": "SQLite", "version": sqlite3.sqlite_version, "size": size, "journal_mode": mode}

    def probe(self) -> None:
        with self._connection() as connection:
            _insist(connection, "BEGIN IMMEDIATE", PROBE_SECONDS)
            _roll_back(connection)

    def vacuum(self) -> None:
        notice()
        with self._writer, self._connection() as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        for idle in (self._idle, self._idle_brief):
            while idle:
                idle.pop().close()

    def __del__(self) -> None:
        """An application that is let go of without ``close`` leaves no open file behind."""
        if hasattr(self, "_idle_brief"):
            self.close()

    @contextmanager
    def _connection(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        notice()
        idle = self._idle if durable else self._idle_brief
        self._refuse_another_file()
        _gate.enter()
        try:
            connection = self._take(idle, self._synchronous if durable else "normal")
            try:
                yield connection
            except sqlite3.OperationalError as error:
                connection.close()
                raise _translated(error, self.path) from error
            except BaseException:
                idle.append(connection)
                raise
            idle.append(connection)
        finally:
            _gate.leave()

    def _take(self, idle: deque[sqlite3.Connection], synchronous: str) -> sqlite3.Connection:
        try:
            return idle.pop()
        except IndexError:
            return self._connect(synchronous)

    def _refuse_another_file(self) -> None:
        """What is open is the file as it was: one that was deleted or replaced would be written to unseen."""
        if self._file is None:
            return
        try:
            now = _identity(self._absolute)
        except FileNotFoundError:
            now = None
        except OSError:
            return  # a file system that is away for a moment tells nothing
        if now != self._file:
            what = "was deleted" if now is None else "is another file than the one that was opened"
            raise StoreReplacedError(
                f"{self._absolute} {what} while it was in use",
                hint="Stop all that use it before you replace it, and start them again.",
            )

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        try:
            if self._file is None:
                self._make_file()
            connection = sqlite3.connect(
                self._absolute, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
            )
            _insist(connection, "PRAGMA journal_mode = WAL")  # several that start at once wait for each other here
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA busy_timeout = 0")
            self._file = self._file or _identity(self._absolute)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnreachableError(
                f"cannot open {self.path}: {error}",
                hint="Check the path, its permissions and the free space.",
            ) from error
        return connection

    def _make_file(self) -> None:
        """A new one is for its user alone: arguments and results are nobody else's business."""
        self._absolute.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._absolute, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock."""
    _insist(connection, "BEGIN IMMEDIATE")


def _insist(connection: sqlite3.Connection, sql: str, seconds: float = BUSY_SECONDS) -> None:
    """Run a statement, trying again for a while when another process holds the file."""
    give_up_at = time.monotonic() + seconds
    pause = 0.0005
    while True:
        try:
            connection.execute(sql)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY_CODES or time.monotonic() > give_up_at:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 1.5, 0.01)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _statements(sql: str) -> Iterator[str]:
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _translated(error: sqlite3.OperationalError, path: Path) -> StoreError:
    if "no such table" in str(error):
        return StoreError(f"{path} holds no tables of Rota yet: {error}", hint=NO_TABLES)
    if "no such column" in str(error) or "has no column named" in str(error):
        return SchemaError(f"the tables of {path} are not those of this Rota: {error}", hint=OTHER_TABLES)
    if error.sqlite_errorcode & 0xFF in _BUSY_CODES:
        return StoreUnreachableError(
            f"{path} is locked by another process",
            hint="Find who holds a transaction open on it, and end it.",
        )
    return StoreUnreachableError(f"{path}: {error}", hint="Check the disk and the file's permissions.")
