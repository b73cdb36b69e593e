"""The read model: one row a message for the person's inbox, whatever the channels; its status follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, select, tuple_, update

from apps.codenotify.due import TOLD
from apps.codenotify.tables import contests, deliveries, notifications
from apps.database import insert

KEPT = timedelta(days=90)
TYPES = {"reminder": "CONTEST_REMINDER", "rescheduled": "SYSTEM_ALERT", "cancelled": "SYSTEM_ALERT"}
TITLES = {"reminder": "{name}", "rescheduled": "New time: {name}", "cancelled": "Cancelled: {name}"}
_KEY = ("user_id", "contest_key", "kind", "schedule_version")


def create(connection: Connection, claimed: Sequence[Row[Any]], as_of: datetime) -> None:
    """Makes the rows of newly claimed messages about contests, and ties the ledger's rows to them.

    What was told is kept in ``payload``, so that it can be shown, and a later change explained, when the contest's
    own row is long gone.
    """
    by_key = _contests(connection, claimed)
    old = _told_starts(connection, [row for row in claimed if row.kind != "reminder"])
    rows = {}
    for row in claimed:
        contest = by_key.get(row.contest_key)
        if contest is None:  # deleted since: the last look before sending will find out
            continue
        start = old.get((row.user_id, row.contest_key)) or contest.start_time.isoformat()
        rows[_key(row)] = _row(row, contest, as_of, start)
    if rows:
        store(connection, list(rows.values()), claimed)


def store(connection: Connection, rows: Sequence[Mapping[str, Any]], claimed: Sequence[Row[Any]]) -> None:
    """Inserts rows that are not there yet and ties ``claimed`` to theirs."""
    connection.execute(insert(connection, notifications).values(rows).on_conflict_do_nothing())
    of_delivery = (
        select(notifications.c.id)
        .where(*(notifications.c[name] == deliveries.c[name] for name in _KEY))
        .scalar_subquery()
    )
    ids = [row.id for row in claimed]
    connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(notification_id=of_delivery))


def _key(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _KEY)


def _contests(connection: Connection, claimed: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    keys = {row.contest_key for row in claimed}
    found = connection.execute(select(contests).where(contests.c.contest_key.in_(sorted(keys))))
    return {row.contest_key: row for row in found}


def _told_starts(connection: Connection, claimed: Sequence[Row[Any]]) -> dict[tuple[int, str], str]:
    """The start that each person was last told, by person and contest."""
    if not claimed:
        return {}
    wanted = sorted({(row.user_id, row.contest_key) for row in claimed})
    told = (
        select(notifications)
        .where(tuple_(notifications.c.user_id, notifications.c.contest_key).in_(wanted))
        .where(notifications.c.kind.in_(TOLD))
        .order_by(notifications.c.schedule_version)
    )
    return {(row.user_id, row.contest_key): row.payload["start_time"] for row in connection.execute(told)}


def _row(row: Row[Any], contest: Row[Any], as_of: datetime, old_start: str) -> dict[str, Any]:
    payload = {
        "name": contest.name,
        "platform": contest.platform,
        "type": contest.type,
        "start_time": contest.start_time.isoformat(),
        "end_time": contest.end_time.isoformat(),
        "website_url": contest.website_url,
        "old_start": old_start,
    }
    return dict(zip(_KEY, _key(row), strict=True)) | {
        "contest_id": contest.id,
        "type": TYPES[row.kind],
        "title": TITLES[row.kind].format(name=contest.name),
        "message": f"{contest.platform}: starts {contest.start_time:%Y-%m-%d %H:%M} UTC",
        "payload": payload,
        "created_at": as_of,
        "expires_at": as_of + KEPT,
    }


def with_status() -> Select[Any]:
    """Every notification with its ``status``: SENT if any channel sent it, FAILED if none can, else PENDING."""

    def how_many(*statuses: str) -> Any:
        return func.coalesce(func.sum(case((deliveries.c.status.in_(statuses), 1), else_=0)), 0)

    waiting = how_many("claimed")
    status = case((how_many("sent") > 0, "SENT"), (waiting > 0, "PENDING"), else_="FAILED")
    return (
        select(*notifications.c, status.label("status"))
        .join(deliveries, deliveries.c.notification_id == notifications.c.id, isouter=True)
        .group_by(notifications.c.id)
    )
