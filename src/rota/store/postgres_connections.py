"""Connections to PostgreSQL: opened with our settings, kept in pools, given up when they fall silent.

Behind a pooler (PgBouncer) a session is not ours: settings given at its start are refused, or lost between two
transactions. There they go with each transaction, nothing is prepared, and nobody listens.
"""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from rota.errors import ConfigError
from rota.forks import leave_to_parent, notice, tell_of_forks
from rota.store.database import Row

logger = logging.getLogger("rota.store")
POOL_SIZE = 16
IDLE_SECONDS = 10.0
"""After so long, a connection that nobody needed is given back, one at a time: a node at rest keeps three or so."""
POOL_SECONDS = 10.0
"""So long a caller waits for a connection."""
SOON_SECONDS = 1.0
CONNECT_SECONDS = 5
"""For each host of the URL."""
RECONNECT_SECONDS = 5.0
"""After so long the pool waits to be asked again, instead of trying ever more rarely while the server is back."""
STATEMENT_SECONDS = 10.0
"""So long a statement may be without any answer: the driver would wait for ever on a connection that fell silent."""
CLOSE_SECONDS = 1.0
_NETWORK: dict[str, Any] = {
    # A connection whose other end is gone without a word is found out within 15 seconds, at rest and in use.
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What we propose; that of the URL holds."""
_TEXT: dict[str, Any] = {"client_encoding": "utf8"}
"""Else a database of encoding SQL_ASCII would give bytes for text."""
_PROPOSED = {"lock_timeout": "5s"}
"""So long a statement waits for a lock: who waits for ever keeps no lease, and tells nobody why."""
_BRIEF = {"synchronous_commit": "off"}
"""For commits that need not be on disk."""
_OURS = {
    # A node that freezes, or whose machine vanishes, in the middle of a transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Statements are made to go by an index: what the planner knows of the states of runs is minutes old, and wrong.
    "enable_seqscan": "off",
    # A plan that needs such a scan after all looks so dear that the server would compile it, and take much longer.
    "jit": "off",
    # Ours are made for it: each statement sees what others have committed.
    "default_transaction_isolation": "read committed",
}
_PROOF = "rota.session"
"""A setting that nobody else makes: where it is gone, so are the others."""
_GIVEN = re.compile(r"-c\s*([\w.]+)=((?:\\.|[^\s\\])*)")
_REFUSED = re.compile("startup parameter|command-line options")
"""How poolers refuse settings at the start of a session."""
_BARE_AT = re.compile(r"[^?]*//[^/?]*:[^?]*[@/][^?]*@")
"""A password that runs on past an `@` or `/`."""
_open: WeakSet[Connection] = WeakSet()


class Connection(psycopg.Connection[Row]):
    """One that gives up a statement that gets no answer for too long, and is closed then."""

    limit: float | None = STATEMENT_SECONDS
    doubtful = False
    """Whether another one fell silent after this one was opened: it leads to the same silence, as likely as not."""

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        _open.add(self)

    def wait(self, gen: Any, *args: Any, **others: Any) -> Any:
        return super().wait(gen if self.limit is None else self._limited(gen, self.limit), *args, **others)

    def _limited(self, gen: Any, seconds: float) -> Generator[Any, Any, Any]:
        """The driver's own steps of one exchange, until there was nothing to read or write for so long."""
        give_up_at = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > give_up_at:
                    self.pgconn.finish()
                    for each in list(_open):
                        each.doubtful = True
                    raise psycopg.OperationalError(f"no answer within {seconds:g} s; the connection was given up")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    @property
    def rests(self) -> bool:
        """Whether it is open and has nothing to say: one that was closed from the other side does."""
        if self.closed or self.doubtful:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        if not poll.poll(0):
            return True
        try:  # a notice, or the end
            self.execute("", prepare=False)
        except psycopg.Error:
            return False
        return True


class Connections:
    """Pools of connections: those whose commits are waited for on disk, and those whose commits are not."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = _read(url)
        self._network = {name: value for name, value in _NETWORK.items() if name not in parts} | _TEXT
        self._given = str(parts.get("options") or "")
        self.server = f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}"
        """For people."""
        self._pools: dict[bool, psycopg_pool.ConnectionPool[Connection]] = {}
        self._opening = threading.Lock()
        self._probing = threading.Lock()
        self._pooler = False
        self._how: dict[str, Any] = {}
        """What to connect with."""
        tell_of_forks(self)

    def after_fork(self) -> None:
        """The sockets are the parent's: closed here, they stay open there. Each number stays taken, by nothing."""
        global _open
        for connection in list(_open):
            if not connection.closed:
                with suppress(OSError):
                    nothing = os.open(os.devnull, os.O_RDWR)
                    os.dup2(nothing, connection.pgconn.socket, inheritable=False)
                    os.close(nothing)
        leave_to_parent(self._pools, *_open)
        _open = WeakSet()
        self._pools, self._opening, self._probing = {}, threading.Lock(), threading.Lock()

    @property
    def behind_pooler(self) -> bool:
        self._pool(True)
        return self._pooler

    @contextmanager
    def lend(
        self,
        durable: bool = True,
        *,
        begin: bool = False,
        timeout: float = POOL_SECONDS,
        limit: float | None = STATEMENT_SECONDS,
    ) -> Iterator[Connection]:
        """``begin``: with a transaction begun, which is rolled back unless the caller commits it."""
        pool = self._pool(durable)
        connection = self._take(pool, timeout, self._begin(durable) if begin else None)
        connection.limit = limit
        try:
            yield connection
        except psycopg.errors.ReadOnlySqlTransaction:
            connection.close()  # the primary may be another host by now
            raise
        finally:
            connection.limit = STATEMENT_SECONDS
            _end(connection)
            pool.putconn(connection)

    def listen(self) -> Connection:
        """One of its own, outside of the pools."""
        return Connection.connect(self.url, autocommit=True, application_name="rota", **self._network)

    def close(self) -> None:
        while self._pools:
            self._pools.popitem()[1].close(CLOSE_SECONDS)

    def _take(self, pool: psycopg_pool.ConnectionPool[Connection], timeout: float, begin: bytes | None) -> Connection:
        """One that broke while it lay there is replaced: nothing was sent on it yet but the beginning."""
        give_up_at = time.monotonic() + timeout
        while True:
            connection = self._get(pool, give_up_at)
            try:
                if connection.rests:
                    if begin is not None:
                        connection.execute(begin, prepare=False)
                    return connection
            except psycopg.OperationalError as error:
                if error.sqlstate is not None or time.monotonic() > give_up_at:
                    pool.putconn(connection)
                    raise
            except BaseException:
                pool.putconn(connection)
                raise
            connection.close()
            pool.putconn(connection)

    def _get(self, pool: psycopg_pool.ConnectionPool[Connection], give_up_at: float) -> Connection:
        """Where none comes soon, one attempt of our own says why: the pool only tells that it took too long."""
        left = give_up_at - time.monotonic()
        with suppress(psycopg_pool.PoolTimeout):
            return pool.getconn(max(0.1, min(SOON_SECONDS, left)))
        if self._probing.acquire(blocking=False):
            try:
                Connection.connect(self.url, **self._how).close()
            finally:
                self._probing.release()
        return pool.getconn(max(0.1, give_up_at - time.monotonic()))

    def _begin(self, durable: bool) -> bytes:
        if not self.behind_pooler:
            return b"BEGIN"
        settings = "; ".join(f"SET LOCAL {name} = {_quoted(value)}" for name, value in self._settings(durable).items())
        return f"BEGIN ISOLATION LEVEL READ COMMITTED; {settings}".encode()

    def _settings(self, durable: bool) -> Mapping[str, str]:
        """That of the URL comes before what we rely on, and after what we propose."""
        given = {name: re.sub(r"\\(.)", r"\1", value) for name, value in _GIVEN.findall(self._given)}
        return _PROPOSED | given | _OURS | ({} if durable else _BRIEF)

    def _pool(self, durable: bool) -> psycopg_pool.ConnectionPool[Connection]:
        notice()
        with self._opening:
            if durable not in self._pools:
                self._pools[durable] = self._open(durable)
            return self._pools[durable]

    def _open(self, durable: bool) -> psycopg_pool.ConnectionPool[Connection]:
        given = self._how = self._try(durable)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # we say it ourselves, once, with a hint
        return psycopg_pool.ConnectionPool(
            self.url,
            connection_class=Connection,
            min_size=1 if durable else 0,
            max_size=POOL_SIZE,
            max_idle=IDLE_SECONDS,
            open=True,
            reconnect_timeout=RECONNECT_SECONDS,
            kwargs=given,
        )

    def _try(self, durable: bool) -> dict[str, Any]:
        """Connect as the pool will, which would only say that it took too long; returns what to connect with."""
        plain: dict[str, Any] = {"autocommit": True, "application_name": "rota"} | self._network
        options: dict[str, Any] = {"options": self._options(durable)}
        try:
            with Connection.connect(self.url, **plain, **options) as connection:
                row = connection.execute(f"SELECT current_setting('{_PROOF}', true)".encode()).fetchone()
            if row == ("ours",):
                return plain | options
        except psycopg.OperationalError as error:
            if not _REFUSED.search(str(error)):
                raise
            Connection.connect(self.url, **plain, options="").close()
            options = {"options": ""}
        if not self._pooler:
            logger.info(
                "there is a pooler before the database: settings go with each transaction, and work is polled for"
            )
        self._pooler = True
        return plain | options | {"prepare_threshold": None}

    def _options(self, durable: bool) -> str:
        ours = _OURS | ({} if durable else _BRIEF) | {_PROOF: "ours"}
        return " ".join(filter(None, (_spelled(_PROPOSED), self._given, _spelled(ours))))


def _read(url: str) -> dict[str, Any]:
    """What the URL says. What the driver would tell of a wrong one is not repeated: it quotes from the password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"port": "unreadable"}
    ports = str(parts.get("port") or "").split(",")
    # A host with an `@`, or a port that is no number, is the rest of a password with a bare `@` or `/`; and with a
    # slash too many, all is taken for the name of the database.
    named = re.search(":.*@", str(parts.get("dbname") or ""))
    if named or not all(port == "" or port.isdecimal() for port in ports) or _BARE_AT.match(url):
        raise ConfigError(
            "the database URL cannot be read",
            hint="Percent-encode the user and the password: @ as %40, / as %2F, # as %23, % as %25, ? as %3F.",
        )
    return parts


def _spelled(settings: Mapping[str, str]) -> str:
    """As the start of a session takes them."""
    return " ".join(f"-c {name}=" + value.replace(" ", "\\ ") for name, value in settings.items())


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _end(connection: Connection) -> None:
    """Roll back what is left open; one that cannot is closed."""
    if connection.closed or connection.pgconn.transaction_status == TransactionStatus.IDLE:
        return
    try:
        connection.rollback()
    except psycopg.Error:
        connection.close()
