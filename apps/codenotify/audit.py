"""One row for each batch that changes many rows, and each change that a person may ask about; no personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from apps.codenotify.tables import job_audit

if TYPE_CHECKING:
    from rota import Run

SAMPLE = 5


def record(
    connection: Connection,
    run: Run,
    job: str,
    action: str,
    table: str,
    *,
    count: int = 1,
    target_id: object = None,
    cutoff: datetime | None = None,
    params: Mapping[str, Any] | None = None,
    sample_ids: Sequence[int] = (),
) -> None:
    """Write the row in the transaction of the change itself, so that neither can be without the other."""
    row = {
        "at": run.as_of,
        "app": "codenotify",
        "job": job,
        "run_id": str(run.id),
        "actor": str(run.actor or "scheduler"),
        "action": action,
        "target_table": table,
        "target_id": None if target_id is None else str(target_id),
        "count": count,
        "cutoff": cutoff,
        "params": dict(params or {}),
        "sample_ids": list(sample_ids[:SAMPLE]),
    }
    connection.execute(job_audit.insert().values(row))
