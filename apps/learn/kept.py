"""Rows that are worked out of others: they are written where they say something new, and nowhere else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from rota.recipes import insert


def keep(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
    """Put rows in the place of those of their keys, if they differ; returns how many did."""
    [key] = table.primary_key.columns
    with_hash = [{**row, "source_hash": _hash(row)} for row in rows]
    there = select(key, table.c.source_hash).where(key.in_([row[key.name] for row in rows]))
    known = {row[0]: row[1] for row in connection.execute(there)}
    changed = [{**row, "last_updated": now} for row in with_hash if known.get(row[key.name]) != row["source_hash"]]
    if changed:
        statement = insert(connection, table)
        others = {name: statement.excluded[name] for name in changed[0] if name != key.name}
        connection.execute(statement.on_conflict_do_update(index_elements=[key.name], set_=others), changed)
    return len(changed)


def _hash(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]
