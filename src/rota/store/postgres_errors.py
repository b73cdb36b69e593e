"""What PostgreSQL's errors mean to Rota: which are outages that pass, and how each is told."""

from __future__ import annotations

import psycopg

from rota.errors import StoreError, StoreUnreachableError
from rota.store.database import NO_TABLES

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
    "42501": ("the user in the database's URL may not do this", "GRANT it the rights on Rota's tables."),
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
            hint="Is the server up, and are address, user and password right? `rota doctor` looks closer.",
        )
    return None
