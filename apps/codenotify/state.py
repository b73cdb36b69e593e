"""What a sync remembers between runs: when a platform was last done, and the versions of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, select, update

from apps.codenotify.tables import sync_state
from rota.recipes import insert, reading

GLOBAL = "global"
Validators = Mapping[str, Mapping[str, str]]


def ensure(connection: Connection, scope: str) -> None:
    """Make the scope's row exist."""
    row = {"scope": scope, "validators": {}, "failures": 0, "open_s": 0}
    connection.execute(insert(connection, sync_state).values(row).on_conflict_do_nothing())


def cooling(engine: Engine, scope: str, cooldown_ms: int, now: datetime) -> bool:
    """Whether the scope was completed less than ``cooldown_ms`` ago."""
    query = select(sync_state.c.last_completed_at).where(sync_state.c.scope == scope)
    with reading(engine) as connection:
        last = connection.scalar(query)
    return last is not None and now < last + timedelta(milliseconds=cooldown_ms)


def validators(engine: Engine, scope: str) -> Validators:
    query = select(sync_state.c.validators).where(sync_state.c.scope == scope)
    with reading(engine) as connection:
        return connection.scalar(query) or {}


def complete(connection: Connection, scope: str, now: datetime, new: Validators | None = None) -> None:
    """Note that the scope is done; validators that were not asked for anew stay as they are."""
    ensure(connection, scope)
    row = sync_state.c
    old = connection.scalar(select(row.validators).where(row.scope == scope)) or {}
    values = {"last_completed_at": now, "validators": {**old, **(new or {})}}
    connection.execute(update(sync_state).where(row.scope == scope).values(values))
