"""The tables there are, and the migrations that the database has had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rota.store.database import Transaction


def columns(tx: Transaction, names: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The columns of those of the tables that are there."""
    found: dict[str, set[str]] = {}
    for table, column in tx.over("schema.columns", [(name,) for name in names]):
        found.setdefault(table, set()).add(column)
    return {table: frozenset(names) for table, names in found.items()}


def applied(tx: Transaction) -> list[int]:
    """The numbers of the migrations that the database has had. Raises ``StoreError`` where there are no tables."""
    return [number for (number,) in tx.all("schema.applied")]


def add(tx: Transaction, number: int, name: str, now: int) -> None:
    """A migration that was applied."""
    tx.run("schema.add", number=number, name=name, now=now)


def applied_without_prefix(tx: Transaction) -> list[str]:
    """The names of the migrations in a table ``migration``, which must be there."""
    return [name for (name,) in tx.all("schema.applied_without_prefix")]
