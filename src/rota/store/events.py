"""The events that somebody must be able to see later."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rota.model.event import Event
from rota.store.database import Row, Transaction


def add(tx: Transaction, events: Sequence[Event]) -> None:
    if events:
        tx.over(
            "events.add",
            [(e.at, e.kind, e.subject, e.run_id, e.actor, json.dumps(e.data, default=str)) for e in events],
        )


def of_run(tx: Transaction, run_id: int) -> list[Event]:
    return [_event(row) for row in tx.all("events.of_run", run_id=run_id)]


def of_subject(tx: Transaction, subject: str, limit: int = 20) -> list[Event]:
    """Newest first."""
    return [_event(row) for row in tx.all("events.of_subject", subject=subject, limit=limit)]


def prune(tx: Transaction, before: int, limit: int) -> int:
    """Returns how many went; what a person did never goes."""
    return tx.run("events.prune", before=before, limit=limit)


def _event(row: Row) -> Event:
    at, kind, subject, run_id, actor, data = row
    return Event(at=at, kind=kind, subject=subject, run_id=run_id, actor=actor, data=json.loads(data))
