"""A page of messages right before it is handed over: claimed, and looked at once more, in one transaction.

It goes by the clock, not by the run's ``as_of``: a run that was held up for hours sends nothing stale (``run_clock``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, cast
from sqlalchemy.exc import DBAPIError, OperationalError

from rota.messages import ledger
from rota.messages.account import Account, Tried
from rota.messages.brief import Brief
from rota.messages.lane import Lane
from rota.messages.outcome import Later
from rota.messages.parcel import Ended, Facts, Parcel, Verdict
from rota.messages.suppressions import suppressed
from rota.messages.tables import deliveries as table
from rota.recipes.database import is_locked


def look(
    connection: Connection, account: Account, brief: Brief, lane: Lane, most: int, now: datetime
) -> tuple[int, list[Parcel]]:
    """Claims up to ``most``, and cancels what is no longer wanted; how many were claimed, and the rest of them."""
    sender = lane.sender
    assert sender is not None  # noqa: S101 - it has been admitted
    rows = list(ledger.claim(connection, account.owner, lane.channel, sender.name, now, most))
    again = rows[0].request if rows else None
    if brief.coalesce and rows and again is None:
        recipients = {row.recipient for row in rows}
        rows += ledger.claim_others(connection, account.owner, lane.channel, sender.name, now, recipients)
    found, odd = _found(connection, brief, rows, now)
    reasons = {row.id: _reason(found.get(row.id)) for row in rows if row.id not in odd}
    wanted = {row_id: brief.goes_to(found[row_id]) for row_id, reason in reasons.items() if reason is None}
    blocked = suppressed(connection, set(wanted.values()))
    live, ended = [], []
    for row in rows:
        if row.id in odd:
            ended.append(account.judge(Tried(sender, row, Later(odd[row.id])), now))
        elif reason := reasons[row.id] or ("suppressed" if wanted[row.id] in blocked else None):
            ended.append(Ended(row, Verdict("cancelled", reason)))
        else:
            live.append(row)
    if again is not None and ended:  # without those, it would be another request under its key
        ended += [Ended(row, Verdict("unknown", "request cannot be repeated")) for row in live]
        live = []
    account.enter(connection, ended, now)
    return len(rows), _in_requests(connection, _parcels(brief, live, found), sender.per_request, again)


def _found(
    connection: Connection, brief: Brief, rows: Sequence[Row[Any]], now: datetime
) -> tuple[dict[int, Facts], dict[int, str]]:
    """The facts of each; and what was wrong with those that cannot be read, which halving finds."""
    if not rows:
        return {}, {}
    try:
        with connection.begin_nested():
            return _facts(connection, brief, rows, now), {}
    except Exception as error:  # whatever is in a user's row must not stop the others
        if isinstance(error, DBAPIError) and (error.connection_invalidated or _is_locked(error)):
            raise
        if len(rows) == 1:
            return {}, {rows[0].id: f"look:{type(error).__name__}"}
    middle = len(rows) // 2
    (found, refused), (more, also) = (_found(connection, brief, half, now) for half in (rows[:middle], rows[middle:]))
    return found | more, refused | also


def _is_locked(error: DBAPIError) -> bool:
    return isinstance(error, OperationalError) and is_locked(error)


def _facts(connection: Connection, brief: Brief, rows: Sequence[Row[Any]], now: datetime) -> dict[int, Facts]:
    to, about = brief.to, brief.about
    query = brief.looks_at(now).add_columns(table.c.id.label("rota_message_id"))
    query = query.where(cast(table.c.recipient, to.type) == to, table.c.id.in_([row.id for row in rows]))
    if about is not None:
        query = query.where(cast(table.c.subject, about.type) == about)
    by_id = {row.id: row for row in rows}
    found: dict[int, Facts] = {}
    for mapping in connection.execute(query).mappings().all():
        facts = dict(mapping)
        row = by_id[facts.pop("rota_message_id")]
        address = facts.get(row.channel) if row.channel in facts else facts.get("address")
        found[row.id] = facts | {"message": row, "now": now, "address": address}
    if brief.complete is not None:
        brief.complete(connection, list(found.values()))
    return found


def _reason(facts: Facts | None) -> str | None:
    if facts is None:
        return "gone"
    if facts.get("cancel"):
        return str(facts["cancel"])
    return None if facts["address"] and isinstance(facts["address"], str) else "no_address"


def _together(row: Row[Any]) -> tuple[str, int, int]:
    """What may have left once leaves as it was."""
    return row.recipient, row.unsure, row.id


def _parcels(brief: Brief, rows: Sequence[Row[Any]], found: dict[int, Facts]) -> list[Parcel]:
    least = brief.coalesce
    if not least:
        return [Parcel([row], [found[row.id]]) for row in rows]
    parcels = []
    for _, group in groupby(sorted(rows, key=_together), key=lambda row: _together(row)[:2]):
        mine = list(group)
        together = [mine] if len(mine) >= least else [[row] for row in mine]
        parcels += [Parcel(each, [found[row.id] for row in each]) for each in together]
    return parcels


def _in_requests(connection: Connection, parcels: list[Parcel], size: int, again: str | None) -> list[Parcel]:
    """Those that go in one request are marked with its key: after a crash it is made again as it was."""
    if size == 1 or again is not None:
        return [Parcel(each.rows, each.facts, again) for each in parcels]
    marked = []
    for at in range(0, len(parcels), size):
        request, some = uuid4().hex, parcels[at : at + size]
        ledger.mark_request(connection, [row.id for each in some for row in each.rows], request)
        marked += [Parcel(each.rows, each.facts, request) for each in some]
    return marked
