"""The jobs of the ledger: every job that an application on this database has declared."""

from __future__ import annotations

from dataclasses import dataclass

from rota.store.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """``definition`` is JSON: the policies, as ``rota.app.declare.describe`` tells them."""

    name: str
    queue: str
    definition: str
    registered_at: int


def all_jobs(tx: Transaction) -> list[JobRecord]:
    return [_record(row) for row in tx.all("jobs.all")]


def get(tx: Transaction, name: str) -> JobRecord | None:
    row = tx.one("why.job", name=name)
    return _record(row) if row else None


def _record(row: tuple[object, ...]) -> JobRecord:
    return JobRecord(**dict(zip(JobRecord.__slots__, row, strict=True)))  # type: ignore[arg-type]
