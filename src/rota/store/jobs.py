"""The jobs of the ledger: every job that an application on this database has declared."""

from __future__ import annotations

from dataclasses import dataclass

from rota.store.database import Transaction, record


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """``definition`` is JSON: the policies, as ``rota.app.declare.describe`` tells them."""

    name: str
    queue: str
    definition: str
    registered_at: int


def all_jobs(tx: Transaction) -> list[JobRecord]:
    return [record(JobRecord, row) for row in tx.all("jobs.all")]


def get(tx: Transaction, name: str) -> JobRecord | None:
    row = tx.one("why.job", name=name)
    return record(JobRecord, row) if row else None
