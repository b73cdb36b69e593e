"""The ledger of messages: who may send one, and what became of it.

claimed ──► sent | failed | unknown | cancelled          failed ──► claimed   (a later try)
   └──────► claimed by another, when the lease has run out

A message's row is unique, so whoever inserts it owns it. An owner marks the row as tried before it hands the
message over, and every outcome is written only while the row is still the owner's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    false,
    literal,
    or_,
    select,
    update,
)

from apps.codenotify.tables import deliveries
from apps.database import insert

LEASE = timedelta(minutes=5)
DOUBLED = "told by the notice of the new time"
_row = deliveries.c
KEY_COLUMNS = ("user_id", "contest_key", "kind", "schedule_version", "channel", "useful_until", "contest_end_time")


@dataclass(frozen=True, slots=True)
class Owner:
    """One sender at work: nobody else's outcome is taken for its own."""

    name: str = field(default_factory=lambda: uuid4().hex)

    def holds(self, ids: Collection[int]) -> Any:
        return and_(_row.id.in_(ids), _row.status == "claimed", _row.claimed_by == self.name)


def claim(connection: Connection, owner: Owner, due: Select[Any], now: datetime, limit: int | None) -> list[Row[Any]]:
    """Inserts up to ``limit`` rows of ``due`` that nobody has claimed, in one statement, and returns them."""
    hold = (literal("claimed"), literal(0), literal(now, _row.claimed_at.type), literal(owner.name))
    page = due.limit(limit).add_columns(*hold, literal(now + LEASE, _row.lease_until.type))
    columns = [*KEY_COLUMNS, "status", "attempts", "claimed_at", "claimed_by", "lease_until"]
    statement = insert(connection, deliveries).from_select(columns, page).on_conflict_do_nothing()
    return list(connection.execute(statement.returning(*deliveries.c)))


def reclaim(
    connection: Connection, owner: Owner, now: datetime, limit: int, channels: Collection[str]
) -> list[Row[Any]]:
    """Takes over rows of ``channels`` whose owner has vanished; those it may have handed over come back as tried."""
    lapsed = and_(_row.status == "claimed", _row.lease_until < now, _row.channel.in_(channels))
    return _take(connection, owner, lapsed, now, limit, last_tried_at=_row.last_tried_at)


def retake(
    connection: Connection, owner: Owner, now: datetime, limit: int, which: ColumnElement[bool]
) -> list[Row[Any]]:
    """Takes failed rows; ``which`` is ``retry_due``."""
    return _take(connection, owner, which, now, limit, last_tried_at=None)


def retry_due(now: datetime, delays: Sequence[timedelta], channels: Collection[str]) -> ColumnElement[bool]:
    """Whether a row of ``channels`` waits for a try that is due.

    The n-th try is followed by one after ``delays[n - 1]``, the last by none.
    """
    waited = [and_(_row.attempts == n, _row.last_tried_at <= now - delay) for n, delay in enumerate(delays, start=1)]
    of_use = and_(_row.status == "failed", _row.useful_until > now, _row.channel.in_(channels))
    return and_(of_use, or_(false(), *waited))


def _take(connection: Connection, owner: Owner, which: Any, now: datetime, limit: int, **also: Any) -> list[Row[Any]]:
    page = select(_row.id).where(which).order_by(_row.id).limit(limit).with_for_update(skip_locked=True)
    taken = update(deliveries).where(_row.id.in_(page.scalar_subquery()), which)
    values = {"status": "claimed", "claimed_by": owner.name, "claimed_at": now, "lease_until": now + LEASE}
    rows = connection.execute(taken.values(values | also).returning(*deliveries.c))
    return sorted(rows, key=lambda row: row.id)


def was_tried(row: Row[Any]) -> bool:
    """Whether the row's last owner had begun to hand it over when it vanished."""
    return row.last_tried_at is not None


def begin(connection: Connection, owner: Owner, ids: Collection[int], now: datetime) -> set[int]:
    """Marks rows as being tried from now on, with a new lease; returns those that are still the owner's."""
    tried = {"attempts": _row.attempts + 1, "last_tried_at": now, "lease_until": now + LEASE}
    statement = update(deliveries).where(owner.holds(ids)).values(tried).returning(_row.id)
    return set(connection.scalars(statement))


def release(connection: Connection, owner: Owner, ids: Collection[int], now: datetime) -> None:
    """Gives back rows that were not tried: whoever comes next may take them at once."""
    untried = and_(owner.holds(ids), _row.last_tried_at.is_(None))
    connection.execute(update(deliveries).where(untried).values(lease_until=now - timedelta(microseconds=1)))


def cancel(connection: Connection, owner: Owner, ids: Collection[int], reason: str) -> None:
    connection.execute(update(deliveries).where(owner.holds(ids)).values(status="cancelled", last_error=reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try. ``final``: no later try can help."""

    id: int
    status: str
    provider_message_id: str | None = None
    error: str | None = None
    final: bool = False


def settle(
    connection: Connection, owner: Owner, outcomes: Sequence[Outcome], now: datetime, most_attempts: int
) -> None:
    """Writes outcomes, each while the row is still the owner's; a final failure uses up all of its tries."""
    if not outcomes:
        return
    statement = (
        update(deliveries)
        .where(_row.id == bindparam("row"), _row.status == "claimed", _row.claimed_by == owner.name)
        .values(
            status=bindparam("new_status"),
            provider_message_id=bindparam("provider"),
            last_error=bindparam("error"),
            sent_at=bindparam("sent"),
            attempts=case((bindparam("final", type_=Boolean), most_attempts), else_=_row.attempts),
        )
    )
    connection.execute(statement, [_bound(outcome, now) for outcome in outcomes])


def _bound(outcome: Outcome, now: datetime) -> Mapping[str, Any]:
    return {
        "row": outcome.id,
        "new_status": outcome.status,
        "provider": outcome.provider_message_id,
        "error": outcome.error,
        "sent": now if outcome.status == "sent" else None,
        "final": outcome.final,
    }


def double(connection: Connection, owner: Owner, rows: Sequence[Row[Any]], now: datetime) -> None:
    """Enters the reminders that the notices ``rows`` stand in for, so that they are not sent as well."""
    if not rows:
        return
    done = {"kind": "reminder", "status": "cancelled", "attempts": 0, "last_error": DOUBLED}
    hold = {"claimed_at": now, "claimed_by": owner.name, "lease_until": now, "notification_id": None}
    values = [{name: getattr(row, name) for name in KEY_COLUMNS} | done | hold for row in rows]
    connection.execute(insert(connection, deliveries).values(values).on_conflict_do_nothing())
