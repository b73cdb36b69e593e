"""The jobs of the ledger: every job that an application on this database has declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rota.store.database import Transaction
from rota.store.rows import record


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """``definition`` is JSON: the policies, as ``rota.app.declare.describe`` tells them."""

    name: str
    queue: str
    definition: str
    registered_at: int


def register(tx: Transaction, declared: Sequence[tuple[str, str, str]], now: int) -> None:
    """Name, queue and policies (JSON) of each; one that is there already is what it says now."""
    if declared:
        tx.over("jobs.register", declared, now=now)


def all_jobs(tx: Transaction) -> list[JobRecord]:
    return [record(JobRecord, row) for row in tx.all("jobs.all")]


def get(tx: Transaction, name: str) -> JobRecord | None:
    row = tx.one("jobs.get", name=name)
    return record(JobRecord, row) if row else None
