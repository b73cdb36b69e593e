"""One SQL text for two databases: the dialect, the statement files, and a transaction that runs statements by name.

Statements stand in ``sql/*.sql``, each under ``-- name: …`` with a line of purpose, with ``:name`` parameters. A noun's
statements are called by the noun's module alone. A file that cannot be one text for both databases carries the
dialect's name: ``schema.sqlite.sql``. All else that the two spell differently is a comment:

``/* skip locked */``            leave rows that another transaction holds (SQLite has one writer: nothing to leave)
``/* for update */``             hold the row until the transaction ends
``/* identity */``               the type of a generated key, in migrations
``/* rows(id bigint, …) */``     a table made of the parameter ``rows``: a list of tuples with those columns
``/* among(id bigint) */``       a test of what stands before: it is one of the ``rows``, which have one column

What a record's columns are stands with its dataclass (``rota.store.rows``), and statements ask for them:

``/* columns(run) */``           their names
``/* parameters(run) */``        a ``:name`` for each of them
``/* rows(run) */``              the parameter ``rows``, with those columns
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, Protocol

from rota.model.event import Event
from rota.model.home import FileHome, ServerHome
from rota.model.host import ANY_HOST
from rota.store.rows import Row as Row
from rota.store.rows import columns
from rota.store.tables import tables

NO_TABLES = "Make them: rota db init (rota up does so, too)."
"""What to do about a database that has never been prepared."""
SEE_DOCTOR = " `rota doctor` looks closer."
"""The end of a hint, which the doctor itself leaves out."""
OTHER_TABLES = "Look closer: rota db check"
"""What to do about tables that are not as this code has them."""
_MARK = re.compile(r"/\* (columns|parameters|rows|among)\(([^)]*)\) \*/")
_TABLE = re.compile(rf"\b({'|'.join(tables())})\b")
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_CREDENTIALS = re.compile(r"^(\w[\w+.-]*:/*[^:/@]*):.*@", re.DOTALL)
_SECRET = re.compile(r"(pass(?:word|wd)?\s*=\s*)('(?:[^'\\]|\\.)*'?|[^&\s]*)", re.IGNORECASE)


class Dialect(Protocol):
    """All that the two databases spell differently."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def skip_locked(self) -> str: ...

    @property
    def for_update(self) -> str: ...

    def table(self, name: str) -> str:
        """A table of ours, as statements call it."""

    def rows(self, columns: list[tuple[str, str]]) -> str:
        """A table expression with these columns (name, type), made of the parameters of ``Transaction.over``."""

    def among(self, name: str, kind: str) -> str:
        """Whether what stands before is one of the values of a column."""

    def parameters(self, sql: str) -> str:
        """Spell ``:name`` as the driver takes it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement ready for the driver; ``columns`` has name and type of each of its ``rows`` table, if it has one."""

    sql: str
    columns: tuple[tuple[str, str], ...]


class WorkKind(NamedTuple):
    """Which nodes runs are for: those that serve the queue, know the job, and are on the host."""

    queue: str
    job: str | None = None
    """``None``: any."""
    host: str = ANY_HOST


Work = Mapping[WorkKind, int]
"""How many runs there are to claim."""


class Transaction:
    """Runs statements by name, as ``runs.claim``, on one connection."""

    __slots__ = ("_connection", "_queries", "announced", "events", "late_events", "work")

    def __init__(self, connection: Any, queries: dict[str, Query]) -> None:
        self._connection = connection
        self._queries = queries
        self.announced = False
        """Whether there are runs to claim."""
        self.work: Work | None = None
        """How many; ``None``: nobody knows, and everybody is to look."""
        self.events: list[Event] = []
        """What happened in it: kept with the commit, and handed to listeners after it."""
        self.late_events: list[Event] = []
        """What an earlier transaction kept whose answer was lost: to be handed to listeners alone."""

    def all(self, query: str, **parameters: Any) -> list[Row]:
        found: list[Row] = self._execute(self._queries[query].sql, parameters).fetchall()
        return found

    def one(self, query: str, **parameters: Any) -> Row | None:
        found: Row | None = self._execute(self._queries[query].sql, parameters).fetchone()
        return found

    def run(self, query: str, **parameters: Any) -> int:
        """Return the number of rows changed: for a guarded statement, the answer."""
        return int(self._execute(self._queries[query].sql, parameters).rowcount)

    def over(self, query: str, rows: Sequence[Row], **parameters: Any) -> list[Row]:
        """Run a statement over a table of tuples, and return what it returns."""
        raise NotImplementedError

    def script(self, sql: str) -> list[Row]:
        """Run plain statements as they stand, and return what they return: for migrations."""
        raise NotImplementedError

    def announce(self, work: Work | None = None) -> None:
        """Say at the commit that there are runs to claim: a hint that saves waiting for the next poll.

        ``work`` says how many there are: on PostgreSQL so many nodes are woken, and else all.
        """
        if not self.announced:
            self.work = work
        elif self.work is not None:
            self.work = None if work is None else Counter(self.work) + Counter(work)
        self.announced = True

    def _execute(self, sql: str, parameters: dict[str, Any]) -> Any:
        return self._connection.execute(sql, parameters)


class Database(Protocol):
    """Where transactions come from.

    ``write`` is one, committed at its end. ``read`` is for looking: on SQLite at one state of the file, on PostgreSQL
    each statement at its own.
    """

    @property
    def dialect(self) -> Dialect: ...

    def write(self, durable: bool = True) -> AbstractContextManager[Transaction]: ...

    def read(self) -> AbstractContextManager[Transaction]: ...

    def single(self, durable: bool = True) -> AbstractContextManager[Transaction]:
        """For one statement, a transaction of its own. One that is not ``durable`` may be lost in a power cut."""

    def hint(self, work: Work | None) -> None:
        """Tell other processes that there are runs to claim."""

    def joined(self, connection: Any) -> Transaction:
        """A transaction on the caller's own connection; its commit or rollback stays the caller's."""

    def exclusive(self) -> AbstractContextManager[Transaction]:
        """A transaction that no other process has at the same time: for migrations."""

    def now_us(self) -> int:
        """The database's own time."""

    def home(self, tx: Transaction) -> FileHome | ServerHome:
        """What tells it from a copy."""

    def facts(self) -> dict[str, Any]:
        """How it is set up, for who looks for what is wrong: ``kind``, ``version``, ``size`` in bytes, and its own."""

    def probe(self) -> None:
        """Begin to write, and leave it: raises ``StoreError`` within a second or so where nobody can."""

    def vacuum(self) -> None:
        """Give the space of deleted rows back; it may take long."""

    def close(self) -> None: ...


def without_password(url: str) -> str:
    """The URL, or what was meant for one, as it may be shown: a password in it becomes ``***``.

    One that should have been percent-encoded, and holds ``/``, ``#``, ``?`` or ``@``, is hidden too: all up to the
    last ``@`` belongs to it.
    """
    if url.startswith("sqlite:"):
        return url
    return _CREDENTIALS.sub(r"\1:***@", _SECRET.sub(r"\1***", url))


def render(sql: str, dialect: Dialect) -> Query:
    given: list[tuple[str, str]] = []

    def expand(match: re.Match[str]) -> str:
        names = _columns(match[2])
        match match[1]:
            case "columns":
                return ", ".join(name for name, _ in names)
            case "parameters":
                return ", ".join(f":{name}" for name, _ in names)
        given.extend(names)
        return dialect.rows(names) if match[1] == "rows" else dialect.among(*names[0])

    sql = _COMMENT.sub("", sql)  # before anything else: an apostrophe in a comment is no quote
    sql = sql.replace("/* skip locked */", dialect.skip_locked).replace("/* for update */", dialect.for_update)
    sql = _MARK.sub(expand, sql.replace("/* identity */", dialect.identity))
    sql = _TABLE.sub(lambda match: dialect.table(match[1]), sql)
    return Query(dialect.parameters(sql), tuple(given))


def _columns(mark: str) -> list[tuple[str, str]]:
    """Of a noun, or as they are written down: ``name text, due_at bigint``."""
    if " " not in mark:
        return columns(mark)
    return [(name, kind) for name, kind in (column.split() for column in mark.split(","))]


@cache
def load_queries(dialect: Dialect) -> dict[str, Query]:
    """Read every ``-- name: …`` block of the ``.sql`` files, as ``file.name``."""
    queries: dict[str, Query] = {}
    for path in (files(__package__) / "sql").iterdir():
        noun, _, rest = path.name.partition(".")
        if rest in {"sql", f"{dialect.name}.sql"}:
            blocks = _NAME.split(path.read_text())[1:]
            for name, sql in zip(blocks[::2], blocks[1::2], strict=True):
                queries[f"{noun}.{name}"] = render(sql.strip().rstrip(";"), dialect)
    return queries
