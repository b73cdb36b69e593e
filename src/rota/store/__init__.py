"""The ledger: schedules, fires, runs, leases and what became of them. The only package that knows SQL."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rota.clock import Clock
from rota.errors import ConfigError
from rota.forks import tell_of_forks
from rota.model.event import Event
from rota.store import events
from rota.store.database import Database, Transaction

__all__ = ["Store", "Transaction", "open_store"]


class Store:
    """A database, the time that counts in it, and who is woken when there is new work.

    The time is the database's own, so that nodes with wrong clocks agree; a ``clock`` given instead is for tests.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self._clock = clock
        self.wakes: list[Callable[[], None]] = []
        """Called when there are runs to claim."""
        self.tell: Callable[[Sequence[Event]], None] = lambda _: None
        """Called with what a transaction told, after its commit."""
        self.time_wakes: list[Callable[[], None]] = []
        """Called when something was scheduled that may come due before anybody would look."""
        tell_of_forks(self)

    def after_fork(self) -> None:
        """Who was woken are threads of the parent."""
        self.wakes, self.time_wakes = [], []

    def now_us(self) -> int:
        return self._clock.now_us() if self._clock else self.database.now_us()

    @property
    def manual(self) -> bool:
        """Whether a clock of the caller's own stands in for the database's time."""
        return self._clock is not None

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[Transaction]:
        """One that is not ``durable`` may be lost in a power cut."""
        with self.database.write(durable) as transaction:
            yield transaction
            events.add(transaction, [event for event in transaction.events if event.kept])
        if transaction.announced:
            self.wake()
        self.tell([*transaction.late_events, *transaction.events])

    @contextmanager
    def single(self, durable: bool = True) -> Iterator[Transaction]:
        """For one statement. What it announces is told after it: a hint that is lost is made up for by polling."""
        with self.database.single(durable) as transaction:
            yield transaction
        if transaction.announced:
            self.wake()
            self.database.hint(transaction.work)

    def read(self) -> AbstractContextManager[Transaction]:
        return self.database.read()

    def joined(self, connection: Any) -> Transaction:
        return self.database.joined(driver_connection(connection))

    def wake(self) -> None:
        for wake in self.wakes:
            wake()

    def wake_time(self) -> None:
        for wake in self.time_wakes:
            wake()

    def listen(self, node: Callable[[], str], stopping: threading.Event) -> None:
        """Wake this process when another one announces work for its node, until ``stopping`` is set.

        Does nothing on SQLite.
        """
        listen = getattr(self.database, "listen", None)
        if listen is not None:
            listen(node, self.wake, stopping)

    def close(self) -> None:
        self.database.close()


def open_store(url: str, clock: Clock | None = None, *, schema: str | None = None) -> Store:
    """Open ``sqlite:///…`` or ``postgresql://…``; nothing is connected to before it is needed.

    ``schema``: keep the tables in this schema of a PostgreSQL database; every process of a ledger names the same one.

    Raises:
        ConfigError: the URL is of another kind, or the schema's name is none.
        MissingExtraError: PostgreSQL is asked for and psycopg is not installed.
    """
    kind = url.partition(":")[0].partition("+")[0]
    if kind == "sqlite":
        if schema is not None:
            raise ConfigError(
                f"a SQLite database has no schemas, and {schema!r} was asked for",
                hint="Leave it out: the tables are called rota_… there, and may have a file of their own.",
            )
        from rota.store.sqlite import SqliteDatabase

        return Store(SqliteDatabase(url), clock)
    if kind in {"postgresql", "postgres"}:
        from rota.store.postgres import PostgresDatabase

        return Store(PostgresDatabase(url, schema), clock)
    known = f"{kind!r} is no kind of database that Rota knows"
    raise ConfigError(  # and not what was given: it may hold a password
        known if re.fullmatch(r"\w{1,20}", kind) and ":" in url else "the database is not given as a URL",
        hint="Write sqlite:///app.db or postgresql://user@host/name.",
    )


def driver_connection(connection: Any) -> Any:
    """The driver's connection within a SQLAlchemy Session or Connection; any other thing as it is.

    SQLAlchemy commits only what it knows to have begun: on a fresh Connection, ours would be its first statements.
    """
    if hasattr(connection, "connect") and hasattr(connection, "dispose"):
        raise ConfigError(
            "connection= was given an Engine", hint="Give a Session or a Connection: it has a transaction."
        )
    if hasattr(connection, "get_bind") and hasattr(connection, "connection"):
        connection = connection.connection()
    elif hasattr(connection, "in_transaction") and hasattr(connection, "begin") and not connection.in_transaction():
        connection.begin()
    fairy = getattr(connection, "connection", None)
    return getattr(fairy, "driver_connection", connection)
