"""What a run has done, counted in the transactions that did it: so it is true after any crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select, update

from rota.messages.tables import tallies
from rota.recipes.database import insert

ERRORS_KEPT = 20
Error = tuple[str, str, str]
"""The item, one word of what was wrong, and a line about it."""


def add(
    connection: Connection, run: str, job: str, counts: Mapping[str, int], errors: Sequence[Error] = ()
) -> Counter[str]:
    """Add to what there is; what there is then."""
    mine = select(tallies).where(tallies.c.run == run).with_for_update()
    found = connection.execute(mine).one_or_none()
    if found is None:
        fresh = {"run": run, "job": job, "counts": {}, "errors": [], "updated_at": datetime.now(UTC)}
        connection.execute(insert(connection, tallies).values(fresh).on_conflict_do_nothing())
        found = connection.execute(mine).one()
    whole = Counter(found.counts)
    whole.update(counts)
    kept = [*found.errors, *errors][:ERRORS_KEPT]
    values = {"counts": dict(whole), "errors": kept, "updated_at": datetime.now(UTC)}
    connection.execute(update(tallies).where(tallies.c.run == run).values(values))
    return whole


def forget(connection: Connection, run: str) -> None:
    connection.execute(delete(tallies).where(tallies.c.run == run))


def errors(connection: Connection, run: str) -> list[Error]:
    """The first of them."""
    found = connection.scalar(select(tallies.c.errors).where(tallies.c.run == run))
    return [(item, kind, text) for item, kind, text in found or []]
