"""What a run has done with messages of a kind, counted in the transactions that did it: true after any crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from rota.messages.tables import tallies
from rota.recipes.database import insert

ERRORS_KEPT = 20
Error = tuple[str, str, str]
"""The item, one word of what was wrong, and a line about it."""


def add(
    connection: Connection, run: str, kind: str, job: str, counts: Mapping[str, int], errors: Sequence[Error] = ()
) -> Counter[str]:
    """Add to what there is; what there is then."""
    mine = select(tallies).where(_of(run, kind)).with_for_update()
    found = connection.execute(mine).one_or_none()
    if found is None:
        fresh: dict[str, Any] = {"counts": {}, "errors": [], "updated_at": datetime.now(UTC)}
        row = {"run": run, "kind": kind, "job": job, **fresh}
        connection.execute(insert(connection, tallies).values(row).on_conflict_do_nothing())
        found = connection.execute(mine).one()
    whole = Counter(found.counts)
    whole.update(counts)
    kept = [*found.errors, *errors][:ERRORS_KEPT]
    values = {"counts": dict(whole), "errors": kept, "updated_at": datetime.now(UTC)}
    connection.execute(update(tallies).where(_of(run, kind)).values(values))
    return whole


def start(connection: Connection, run: str, kind: str, job: str) -> None:
    """From nothing, whoever had its number in another ledger."""
    fresh = {"job": job, "counts": {}, "errors": [], "updated_at": datetime.now(UTC)}
    row = insert(connection, tallies).values(run=run, kind=kind, **fresh)
    connection.execute(row.on_conflict_do_update(index_elements=["run", "kind"], set_=fresh))


def errors(connection: Connection, run: str, kind: str) -> list[Error]:
    """The first of them."""
    found = connection.scalar(select(tallies.c.errors).where(_of(run, kind)))
    return [(item, kind, text) for item, kind, text in found or []]


def _of(run: str, kind: str) -> ColumnElement[bool]:
    return and_(tallies.c.run == run, tallies.c.kind == kind)
