"""The passport of the ledger: one row, made with the tables."""

from __future__ import annotations

from rota.model.home import FileHome, ServerHome, home_to_json
from rota.model.passport import PassportRecord
from rota.store.database import Transaction
from rota.store.rows import as_row, record


def get(tx: Transaction) -> PassportRecord | None:
    """``None`` of tables that somebody emptied."""
    row = tx.one("passports.get")
    return record(PassportRecord, row) if row else None


def make(tx: Transaction, passport: PassportRecord) -> None:
    """Unless there is one."""
    tx.run("passports.make", **dict(zip(passport.__slots__, as_row(passport), strict=True)))


def move_in(tx: Transaction, home: FileHome | ServerHome, environment: str | None) -> None:
    """Write down where it lives, and the environment if it has none, unless a node did before."""
    tx.run("passports.move_in", home=home_to_json(home), environment=environment)


def went_back(tx: Transaction, now: int, to: int) -> None:
    """It is held for all until somebody adopts it."""
    tx.run("passports.went_back", now=now, back_to=to)


def here(tx: Transaction) -> tuple[str, int, int, int | None]:
    """On PostgreSQL: the database's name and number, that of our table, and the cluster's, if this user may ask."""
    name, database, table, may_ask = tx.one("passports.here") or ("", 0, 0, False)
    system = tx.one("passports.system") if may_ask else None
    return name, int(database), int(table), None if system is None else int(system[0])


def lock(tx: Transaction) -> PassportRecord | None:
    """For as long as the transaction lasts."""
    row = tx.one("passports.lock")
    return record(PassportRecord, row) if row else None


def adopt(tx: Transaction, *, id: str, environment: str | None, home: FileHome | ServerHome, now: int) -> None:  # noqa: A002
    """It is this one from now on, and held no more."""
    tx.run("passports.adopt", id=id, environment=environment, home=home_to_json(home), now=now)
