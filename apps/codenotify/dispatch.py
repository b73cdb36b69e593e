"""CN-2: tell everybody what is due, once per person, contest, version of its time, and channel.

1. Messages whose sender vanished are taken over: sent again where the provider honours keys, or if they had not been
   begun; else ``unknown``, because nobody can know whether they arrived.
2. Notices of a new time, then of cancellations, then reminders, each page by page in the order of people: claim up to
   200 in one statement, look at each again, send, write down.
3. One message, one person or one channel that fails never stops the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, func, select

from apps.codenotify import due, ledger, notices
from apps.codenotify.courier import Courier
from apps.codenotify.ledger import Outcome
from apps.codenotify.services import Services
from apps.codenotify.tables import contests, deliveries, users
from apps.database import reading, writing
from rota import JobResult

if TYPE_CHECKING:
    from rota import Run

PAGE = 200
Due = Callable[[datetime, Sequence[str]], Select[Any]]
KINDS: dict[str, Due] = {
    "rescheduled": due.rescheduled,
    "cancelled": due.cancelled,
    "reminder": due.reminders,
}
COUNTED = (
    "users_considered", "pairs_due", "no_channel", "claimed", "sent", "failed", "unknown", "duplicate",
    "cancelled_opted_out", "cancelled_stale", "late", "taken_over",
)  # fmt: skip


def dispatch_notifications(run: Run, services: Services, *, reason: str = "schedule") -> JobResult:
    """Send what is due at ``run.as_of``. A dry run, or one whose senders are muted, only counts."""
    if run.dry_run or run.muted:
        return _not_sent(run, services)
    saved = run.checkpoint or _beginning(services, run.as_of)
    with Courier(run, services) as courier:
        courier.go_on_from(saved)
        _take_over(run, services, courier)
        for kind, select_due in KINDS.items():
            _send_all(run, services, courier, saved, kind, select_due)
    return _result(courier, _clamped(services), reason)


def _beginning(services: Services, as_of: datetime) -> dict[str, Any]:
    """The checkpoint of a run that has done nothing yet; ``last`` will hold the last person, by kind."""
    return {"counts": _considered(services, as_of), "by_channel": {}, "errors": [], "last": {}}


def _considered(services: Services, as_of: datetime) -> dict[str, int]:
    """How many people and pairs there are to look at, whether or not they were told already."""
    everywhere = list(services.senders)
    messages = due.messages(as_of, everywhere).subquery()
    reached = select(messages.c[0], messages.c[1]).distinct().subquery()
    with reading(services.engine) as connection:
        pairs = _count(connection, due.pairs(as_of))
        return {
            "users_considered": _count(connection, select(users.c.id).where(due.wants("immediate"))),
            "pairs_due": pairs,
            "no_channel": pairs - _count(connection, select(reached)),
            "messages_due": _count(connection, select(messages)),
        }


def _count(connection: Connection, query: Select[Any]) -> int:
    return connection.scalar(select(func.count()).select_from(query.subquery())) or 0


def _take_over(run: Run, services: Services, courier: Courier) -> None:
    while True:
        run.check()
        with writing(services.engine) as connection:
            rows = ledger.reclaim(connection, courier.owner, services.now(), PAGE, courier.open_channels)
            lost = [row for row in rows if ledger.was_tried(row) and not _honours(services, row)]
            unknown = [Outcome(id=row.id, status="unknown", error="sender vanished") for row in lost]
            ledger.settle(connection, courier.owner, unknown, services.now(), services.settings.max_attempts)
        if not rows:
            return
        courier.counts.update(taken_over=len(rows), unknown=len(lost))
        given_up = {row.id for row in lost}
        courier.deliver([row for row in rows if row.id not in given_up])


def _honours(services: Services, row: Row[Any]) -> bool:
    sender = services.senders.get(row.channel)
    return sender is not None and sender.honours_keys


def _send_all(
    run: Run, services: Services, courier: Courier, saved: dict[str, Any], kind: str, select_due: Due
) -> None:
    last = saved["last"].get(kind, 0)
    while courier.open_channels:
        run.check()
        query = select_due(run.as_of, courier.open_channels).where(users.c.id >= last)
        with writing(services.engine) as connection:
            rows = _claim(connection, run, services, courier, query)
        if not rows and not _any_left(services, query):
            return
        courier.deliver(rows)
        last = max((row.user_id for row in rows), default=last)
        saved["last"][kind] = last
        run.save_checkpoint({**courier.tally, "last": saved["last"]})
        run.progress(courier.counts["sent"], max(courier.counts["messages_due"], courier.counts["sent"]))


def _any_left(services: Services, query: Select[Any]) -> bool:
    """Whether another worker took the whole page: then there may be more behind it."""
    with reading(services.engine) as connection:
        return connection.execute(query.limit(1)).first() is not None


def _claim(
    connection: Connection, run: Run, services: Services, courier: Courier, query: Select[Any]
) -> list[Row[Any]]:
    """One page, with all it brings: inbox rows, reminders that it stands in for, and counts."""
    now = services.now()
    rows = ledger.claim(connection, courier.owner, query, now, PAGE)
    if rows and services.settings.coalesce_min is not None:
        whole = query.where(users.c.id == max(row.user_id for row in rows))
        rows += ledger.claim(connection, courier.owner, whole, now, None)
    if not rows:
        return rows
    notices.create(connection, rows, run.as_of)
    within = _ids_within(connection, rows, run.as_of, due.TICK)
    if rows[0].kind == "rescheduled":
        ledger.double(connection, courier.owner, [row for row in rows if row.id in within], now)
    if rows[0].kind == "reminder":
        late = _ids_within(connection, rows, run.as_of, -due.TICK, strictly=True)
        courier.counts.update(late=len(late), reminders=len(rows))
    courier.counts["claimed"] += len(rows)
    return rows


def _ids_within(
    connection: Connection, rows: Sequence[Row[Any]], as_of: datetime, margin: Any, *, strictly: bool = False
) -> set[int]:
    """Those of ``rows`` whose contest starts within the person's hours and ``margin``."""
    soon = due.lead_within(as_of, margin, strictly=strictly)
    query = (
        select(deliveries.c.id)
        .join(users, users.c.id == deliveries.c.user_id)
        .join(contests, contests.c.contest_key == deliveries.c.contest_key)
        .where(deliveries.c.id.in_([row.id for row in rows]), soon)
    )
    return set(connection.scalars(query))


def _clamped(services: Services) -> int:
    outside = ~users.c.notify_before_hours.between(due.LEAST_HOURS, due.MOST_HOURS)
    with reading(services.engine) as connection:
        return _count(connection, select(users.c.id).where(due.wants("immediate"), outside))


def _result(courier: Courier, clamped: int, reason: str) -> JobResult:
    counts = courier.counts
    counts["duplicate"] = max(0, counts["messages_due"] - counts["reminders"])
    result = courier.report(COUNTED, details={"reason": reason})
    if clamped:
        result.warnings.append(f"{clamped} people ask for hours outside 1 to 168; taken as the nearest of them")
    result.message = f"{counts['sent']} sent, {counts['failed']} failed, {counts['duplicate']} told before"
    return result


def _not_sent(run: Run, services: Services) -> JobResult:
    """What would be sent, by kind; nothing is written."""
    start = _considered(services, run.as_of)
    with reading(services.engine) as connection:
        would = {
            kind: _count(connection, select_due(run.as_of, list(services.senders)))
            for kind, select_due in KINDS.items()
        }
    counts = dict.fromkeys(COUNTED, 0) | {name: start[name] for name in COUNTED if name in start}
    counts["duplicate"] = start["messages_due"] - would["reminder"]
    result = JobResult(status="dry_run" if run.dry_run else "skipped", counts=counts)
    result.details = {"would_send": would}
    why = "dry run" if run.dry_run else "senders are muted"
    result.message = f"{why}: {sum(would.values())} messages would be sent"
    return result
