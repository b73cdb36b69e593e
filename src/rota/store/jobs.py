"""The jobs of the ledger: every job that an application on this database has declared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rota.store.database import Transaction
from rota.store.rows import record


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """``owner`` is its application, ``code`` the function, ``definition`` its policies as JSON (``describe``).

    ``limit_count``: how many of its runs under one key may run at once.
    """

    name: str
    owner: str
    code: str
    queue: str
    definition: str
    limit_count: int | None
    registered_at: int


def register(tx: Transaction, owner: str, declared: Sequence[tuple[str, str, str, str, int | None]], now: int) -> None:
    """Name, code, queue, policies (JSON) and count of the limit of each; one that is there is what it says now."""
    if declared:
        tx.over("jobs.register", declared, owner=owner, now=now)


def of_others(tx: Transaction, owner: str) -> list[tuple[str, str, str]]:
    """Name, application and code of the jobs that belong to other applications."""
    return [(name, other, code) for name, other, code in tx.all("jobs.of_others", owner=owner)]


def all_jobs(tx: Transaction) -> list[JobRecord]:
    return [record(JobRecord, row) for row in tx.all("jobs.all")]


def definitions(tx: Transaction, names: Iterable[str]) -> dict[str, str]:
    """The policies of some jobs, as JSON, by name."""
    return {name: text for name, text in tx.over("jobs.definitions", [(name,) for name in names])}


def environments(tx: Transaction) -> dict[str, set[str]]:
    """Those that jobs name, by application."""
    found: dict[str, set[str]] = {}
    for owner, definition in tx.all("jobs.naming_environments"):
        found.setdefault(owner, set()).update(json.loads(definition).get("environments") or ())
    return found


def get(tx: Transaction, name: str) -> JobRecord | None:
    row = tx.one("jobs.get", name=name)
    return record(JobRecord, row) if row else None
