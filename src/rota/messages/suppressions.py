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


def suppressed(connection: Connection, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the addresses and topics that get none."""
    hashes = {address: address_hash(address) for address, _ in wanted}
    query = select(_row.address_hash, _row.topic).where(_row.address_hash.in_(hashes.values()))
    found = {tuple(row) for row in connection.execute(query)}
    return {(address, topic) for address, topic in wanted if {(hashes[address], ""), (hashes[address], topic)} & found}
