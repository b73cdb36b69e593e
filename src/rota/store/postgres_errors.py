"""What PostgreSQL's errors mean to Rota: which are outages that pass, and how each is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg

from rota.errors import CommitUnknownError, SchemaError, StoreError, StoreUnreachableError
from rota.store.database import NO_TABLES, OTHER_TABLES, SEE_DOCTOR, Row
from rota.store.tables import tables

_AGAIN = "It is tried again by itself where a node did it; try again by hand where you did."
_TRANSIENT = {
    "25006": (
        "the database takes no writes",
        "Is it a standby, or was default_transaction_read_only set? Give the address of the primary.",
    ),
    "25P03": (
        "the server ended a transaction that stood still for too long",
        f"Was this process frozen, or its machine very busy? {_AGAIN}",
    ),
    "40001": ("the server ended a transaction that another one overtook", _AGAIN),
    "40P01": (
        "the server ended a transaction that was in a deadlock",
        f"{_AGAIN} If it comes often: who else locks Rota's tables?",
    ),
    "42501": (
        "the user in the database's URL may not do this",
        "GRANT it the rights on Rota's tables: docs/other-tables.md lists them.",
    ),
    "53100": ("the disk of the database is full", "Make room there; nodes go on by themselves."),
    "53300": ("the database has no connection left", "Raise its max_connections, or run fewer processes."),
    "55P03": (
        "a table or row is locked by somebody else",
        "Wait until they are done, or see who it is: SELECT * FROM pg_locks WHERE granted.",
    ),
    "57014": ("the server broke the statement off", "Who cancelled it, or set statement_timeout so short?"),
}
"""By SQLSTATE: whatever is refused like this was right, and will be taken later."""


def translated(error: psycopg.Error, place: str) -> StoreError | None:
    """The error to raise instead; None: it is a mistake of the statement, and stands as it is.

    ``place`` is the URL as it may be shown.
    """
    text = " ".join((error.diag.message_primary or str(error)).split())
    if isinstance(error, psycopg.errors.UndefinedTable):
        return StoreError(f"the database holds no tables of Rota yet: {text}", hint=NO_TABLES)
    if isinstance(error, psycopg.errors.UndefinedColumn):
        return SchemaError(f"the database's tables are not those of this Rota: {text}", hint=OTHER_TABLES)
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return StoreError(f"the database refused: {text}")
    if error.sqlstate in _TRANSIENT:
        told, hint = _TRANSIENT[error.sqlstate]
        return StoreUnreachableError(f"{told}: {text}", hint=hint)
    if (error.sqlstate or "").startswith("25"):
        return StoreUnreachableError(f"the transaction was broken off: {text}", hint=_AGAIN)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnreachableError(
            f"cannot reach {place}: {text}",
            hint=f"Is the server up, and are address, user and password right?{SEE_DOCTOR}",
        )
    return None


def commit_unknown(error: psycopg.Error, place: str) -> CommitUnknownError:
    return CommitUnknownError(
        f"the connection to {place} broke before the answer to a commit: {' '.join(str(error).split())}",
        hint="Whether it was done is not known: look before you do it again. With a key, asking again doubles nothing.",
    )


_HOLDERS = """
    SELECT relation.relname, held.pid, held.mode
    FROM pg_locks AS held JOIN pg_class AS relation ON relation.oid = held.relation
    LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.relation IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND held.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')
      AND (held.granted OR held.mode = 'AccessExclusiveLock')
    ORDER BY relation.relname <> %s, held.mode LIKE 'Row%%',
             activity.xact_start
    LIMIT 1
"""
"""Who holds the strongest, oldest lock; one who waits for a table alone has all others wait behind him, too."""


def locked(
    connection: psycopg.Connection[Row], error: psycopg.Error, table_of: Callable[[str], str]
) -> StoreError | None:
    """Which table is locked, and by which process of the server; None: they are done by now."""
    named = re.search(r'relation "(\w+)"', error.diag.context or "")
    found = connection.execute(_HOLDERS, ([table_of(name) for name in tables()], named[1] if named else "")).fetchone()
    if found is None:
        return None
    table, pid, mode = found
    what = f"rows of table {table} are" if mode.startswith("Row") else f"table {table} is"
    todo = f"See what it does in pg_stat_activity (pid = {pid}); end it: SELECT pg_terminate_backend({pid})."
    return StoreUnreachableError(f"{what} locked by the server's process {pid} ({mode})", hint=todo)
