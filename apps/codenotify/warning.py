"""CN-3, if it is switched on: a mail to everybody who will be marked inactive two weeks from now.

Who gets it: whoever would be marked, is active and verified, and has mail switched on. It is a service message, so how
often and about which contests somebody likes to hear plays no part. But who has switched mail off gets none: every mail
promises that its link ends all of them, and what an account that goes quiet loses is nothing but messages. Nobody is
kept for lack of a warning: it is a courtesy, and the 180 days are the rule.

One stretch of inactivity has one row in the ledger, named for the date on which it began. So there is never a second
mail, whatever became of the first, until the person has been back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Row, Select, and_, exists, func, literal, select, type_coerce
from sqlalchemy.exc import SQLAlchemyError

from apps.codenotify import due, ledger, notices
from apps.codenotify.courier import Courier
from apps.codenotify.dispatch import PAGE
from apps.codenotify.people import INACTIVE_AFTER, last_activity
from apps.codenotify.recheck import WARNING
from apps.codenotify.services import Services
from apps.codenotify.tables import deliveries, users
from apps.database import UtcDate, reading, writing
from rota import JobResult

if TYPE_CHECKING:
    from rota import Run

STEP = "users_warned"
CHANNEL = "email"
WARNED_AFTER = timedelta(days=166)
GUARD_ROWS, GUARD_FRACTION = 1_000, 0.5
DETAILS = ("claimed", "failed", "unknown", "cancelled_opted_out", "cancelled_stale")


def warn_inactive(run: Run, services: Services) -> JobResult:
    """Send what is due at ``run.as_of``; nothing where that would be more than half of all people.

    A dry run counts who would be warned. With muted senders the count stays 0: the run is a real one, and warns nobody.
    """
    result = JobResult(counts={STEP: 0}, details={"cutoff": (run.as_of - WARNED_AFTER).isoformat()})
    due, everybody = _count(services, due_at(run.as_of)), _count(services, select(users.c.id))
    if due > GUARD_ROWS and due > everybody * GUARD_FRACTION:
        result.status = "aborted_guard"
        result.add_error(STEP, "guard", f"would write to {due} of {everybody} people")
    elif run.dry_run or run.muted:
        result.status = "dry_run" if run.dry_run else "success"
        result.counts[STEP] = due if run.dry_run else 0
        result.details["would_send"] = due
    else:
        _send_and_count(run, services, result)
    return result


def _send_and_count(run: Run, services: Services, result: JobResult) -> None:
    """What was sent is counted also where a page could not be entered."""
    with Courier(run, services) as courier:
        try:
            _send_all(run, services, courier)
        except SQLAlchemyError as error:
            result.add_error(STEP, "database", type(error).__name__)
        report = courier.report(DETAILS)
    result.counts[STEP] = courier.counts["sent"]
    result.details |= report.counts | report.details
    for item in courier.errors:
        result.add_error(*item)
    if result.error_count:
        result.status = "partial" if result.counts[STEP] else "failed"


def _send_all(run: Run, services: Services, courier: Courier) -> None:
    last = 0
    while CHANNEL in courier.open_channels:
        run.check()
        query = due_at(run.as_of).where(users.c.id > last)
        with writing(services.engine) as connection:
            rows = ledger.claim(connection, courier.owner, query, services.now(), PAGE)
            if rows:
                _store_notices(connection, rows, run.as_of)
        if not rows and not _count(services, query.limit(1)):
            return
        courier.counts["claimed"] += len(rows)
        courier.deliver(rows)
        last = max((row.user_id for row in rows), default=last)


def due_at(as_of: datetime) -> Select[Any]:
    """A ledger row for everybody to be warned who was not yet. At exactly 180 days nobody is: the date that the mail
    would tell is now."""
    since, channel, rows = last_activity, due.channel_table([CHANNEL]), deliveries.alias("ledger")
    soon = and_(users.c.role == "user", since < as_of - WARNED_AFTER, since > as_of - INACTIVE_AFTER)
    kind = literal(f"{WARNING}:").concat(UtcDate(since))
    known = exists().where(rows.c.user_id == users.c.id, rows.c.contest_key == WARNING, rows.c.kind == kind)
    quiet_from = type_coerce(since, BigInteger) + literal(INACTIVE_AFTER // timedelta.resolution, BigInteger)
    return (
        select(
            users.c.id.label("user_id"),
            literal(WARNING).label("contest_key"),
            kind.label("kind"),
            literal(1).label("schedule_version"),
            channel.c.name.label("channel"),
            quiet_from.label("useful_until"),
            quiet_from.label("contest_end_time"),
        )
        .select_from(users)
        .join(channel, due.reachable(channel, [CHANNEL]))
        .where(due.listens(), soon, ~known)
        .order_by(users.c.id)
    )


def _count(services: Services, query: Select[Any]) -> int:
    with reading(services.engine) as connection:
        return connection.scalar(select(func.count()).select_from(query.subquery())) or 0


def _store_notices(connection: Connection, claimed: list[Row[Any]], as_of: datetime) -> None:
    notices.store(connection, [_notice(row, as_of) for row in claimed], claimed)


def _notice(row: Row[Any], as_of: datetime) -> dict[str, Any]:
    return {
        "user_id": row.user_id,
        "contest_key": row.contest_key,
        "kind": row.kind,
        "schedule_version": row.schedule_version,
        "type": "SYSTEM_ALERT",
        "title": "Your account goes quiet soon",
        "message": f"from {row.useful_until:%Y-%m-%d %H:%M} UTC, unless you come back",
        "payload": {"quiet_from": row.useful_until.isoformat()},
        "created_at": as_of,
        "expires_at": as_of + notices.KEPT,
    }
