"""Addresses that get no more messages: they are kept as hashes, so that the list names nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select

from rota.messages.tables import inserted, suppressions
from rota.recipes.database import insert

_row = suppressions.c


def address_hash(address: str) -> str:
    return hashlib.sha256(address.strip().lower().encode("utf-8", "replace")).hexdigest()


def suppress(connection: Connection, address: str, reason: str, topic: str = "") -> bool:
    """Write to it no more, of this topic or (``""``) at all; whether that is new."""
    return suppress_hash(connection, address_hash(address), reason, topic)


def suppress_hash(connection: Connection, hashed: str, reason: str, topic: str = "") -> bool:
    row = {"address_hash": hashed, "topic": topic, "reason": reason, "at": datetime.now(UTC)}
    return inserted(connection, insert(connection, suppressions).values(row).on_conflict_do_nothing()) == 1


def allow(connection: Connection, address: str, topic: str = "") -> bool:
    """The person wants messages again; whether there was anything to take back."""
    mine = (_row.address_hash == address_hash(address), _row.topic == topic)
    return connection.execute(delete(suppressions).where(*mine)).rowcount == 1


def suppressed(connection: Connection, addresses: Collection[str], topic: str) -> set[str]:
    """Those of the addresses that get none."""
    hashes = {address_hash(address): address for address in addresses}
    query = select(_row.address_hash).where(_row.address_hash.in_(hashes), _row.topic.in_({"", topic}))
    found = set(connection.scalars(query))
    return {address for address in addresses if address_hash(address) in found}
