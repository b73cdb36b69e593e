"""The leases of the ledger: names with one holder at a time, for users' locks and for our own."""

from __future__ import annotations

from rota.model.lease import Lease
from rota.store.database import Transaction
from rota.store.rows import record


def acquire(tx: Transaction, name: str, holder: str, now: int, expires_at: int) -> int | None:
    """Take a free or lapsed lease, or renew one's own. Returns its term; ``None``: somebody else holds it."""
    row = tx.one("leases.acquire", name=name, holder=holder, now=now, expires_at=expires_at)
    return int(row[0]) if row else None


def renew(tx: Transaction, name: str, holder: str, term: int, now: int, expires_at: int) -> bool:
    """False: it has lapsed, or is somebody else's by now."""
    return tx.run("leases.renew", name=name, holder=holder, term=term, now=now, expires_at=expires_at) == 1


def release(tx: Transaction, name: str, holder: str, term: int) -> None:
    tx.run("leases.release", name=name, holder=holder, term=term)


def strays(tx: Transaction, before: int, limit: int) -> list[Lease]:
    """Those that ran out before a moment and were never given back: their holders died."""
    return [record(Lease, row) for row in tx.all("leases.strays", before=before, limit=limit)]
