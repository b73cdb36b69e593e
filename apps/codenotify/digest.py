"""CN-2c, CN-2d: what is to come in the next day or week, for those who prefer one message to many.

The period begins when the run was due, so a late run, or a second one, covers the same period and sends nothing
twice. How long before a contest somebody likes to be reminded plays no part here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, Row, Select, and_, exists, func, literal, select

from apps.codenotify import due, ledger, notices
from apps.codenotify.courier import Courier
from apps.codenotify.dispatch import PAGE
from apps.codenotify.recheck import DIGEST
from apps.codenotify.services import Services
from apps.codenotify.tables import contests, deliveries, users
from apps.database import reading, writing
from rota import JobResult

if TYPE_CHECKING:
    from rota import Run

Frequency = Literal["daily", "weekly"]
LENGTHS: dict[Frequency, tuple[timedelta, str]] = {
    "daily": (timedelta(hours=24), "24 hours"),
    "weekly": (timedelta(hours=168), "7 days"),
}
COUNTED = ("users_considered", "claimed", "sent", "failed", "unknown", "cancelled_opted_out", "cancelled_stale")


@dataclass(frozen=True, slots=True)
class Period:
    """Half open: a contest that starts at the very end belongs to the next digest."""

    frequency: Frequency
    start: datetime

    @property
    def end(self) -> datetime:
        return self.start + LENGTHS[self.frequency][0]

    @property
    def kind(self) -> str:
        return f"{DIGEST}:{self.start:%Y-%m-%d}"


def send_digests(run: Run, services: Services, frequency: Frequency) -> JobResult:
    """Send the digest of the period that begins at ``run.due_at`` to everybody with that frequency."""
    period = Period(frequency, run.due_at)
    considered = _count(services, select(users.c.id).where(due.wants(frequency)))
    if run.dry_run or run.muted:
        would = _count(services, _due(period, list(services.senders)))
        counts = dict.fromkeys(COUNTED, 0) | {"users_considered": considered}
        status: Literal["dry_run", "skipped"] = "dry_run" if run.dry_run else "skipped"
        return JobResult(status=status, counts=counts, details={"would_send": would}, period=(period.start, period.end))
    with Courier(run, services) as courier:
        courier.go_on_from(
            run.checkpoint or {"counts": {"users_considered": considered}, "by_channel": {}, "errors": []}
        )
        _send_all(run, services, courier, period)
    return _result(courier, period)


def _send_all(run: Run, services: Services, courier: Courier, period: Period) -> None:
    last = 0
    while courier.open_channels:
        run.check()
        query = _due(period, courier.open_channels).where(users.c.id >= last)
        with writing(services.engine) as connection:
            rows = ledger.claim(connection, courier.owner, query, services.now(), PAGE)
            if rows:
                _store_notices(connection, rows, period, run.as_of)
        if not rows and not _count(services, query.limit(1)):
            return
        courier.counts["claimed"] += len(rows)
        courier.deliver(rows)
        run.save_checkpoint(courier.tally)
        last = max((row.user_id for row in rows), default=last)


def _due(period: Period, channels: list[str]) -> Select[Any]:
    """A ledger row for each person with something to read, and each of their channels."""
    channel = due.channel_table(channels)
    ledger_rows = deliveries.alias("ledger")
    known = exists().where(
        ledger_rows.c.user_id == users.c.id,
        ledger_rows.c.kind == period.kind,
        ledger_rows.c.channel == channel.c.name,
    )
    starts = and_(contests.c.start_time >= period.start, contests.c.start_time < period.end)
    something = exists().where(due.to_come(period.start - timedelta.resolution), starts, due.follows())
    return (
        select(
            users.c.id.label("user_id"),
            literal(DIGEST).label("contest_key"),
            literal(period.kind).label("kind"),
            literal(1).label("schedule_version"),
            channel.c.name.label("channel"),
            literal(period.end, deliveries.c.useful_until.type).label("useful_until"),
            literal(period.end, deliveries.c.useful_until.type).label("contest_end_time"),
        )
        .select_from(users)
        .join(channel, due.reachable(channel, channels))
        .where(due.wants(period.frequency), something.correlate(users), ~known)
        .order_by(users.c.id, channel.c.name)
    )


def _count(services: Services, query: Select[Any]) -> int:
    with reading(services.engine) as connection:
        return connection.scalar(select(func.count()).select_from(query.subquery())) or 0


def _store_notices(connection: Connection, claimed: list[Row[Any]], period: Period, as_of: datetime) -> None:
    length = LENGTHS[period.frequency][1]
    payload = {"period_start": period.start.isoformat(), "period_end": period.end.isoformat(), "length": length}
    common = {
        "contest_key": DIGEST,
        "kind": period.kind,
        "schedule_version": 1,
        "type": f"{period.frequency.upper()}_DIGEST",
        "title": f"Contests in the next {length}",
        "message": f"from {period.start:%Y-%m-%d %H:%M} UTC",
        "payload": payload,
        "created_at": as_of,
        "expires_at": as_of + notices.KEPT,
    }
    people = sorted({row.user_id for row in claimed})
    notices.store(connection, [common | {"user_id": user_id} for user_id in people], claimed)


def _result(courier: Courier, period: Period) -> JobResult:
    message = f"{courier.counts['sent']} {period.frequency} digests sent"
    return courier.report(COUNTED, period=(period.start, period.end), message=message)
