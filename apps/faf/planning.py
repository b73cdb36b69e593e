"""FF-1, part A: the invitations of a month, each once for an owner and an address, a page of owners at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, select

from apps.faf.eligible import asks, is_asked, suppressed
from apps.faf.links import SHORT, token, token_hash
from apps.faf.settings import Settings
from apps.faf.tables import campaign_runs, contacts, invitations, users
from rota.recipes import Derive, Safety, insert

if TYPE_CHECKING:
    from rota import Run

PER_USER = "per_user"
USABLE_FOR = timedelta(days=60)
MOST_CONTACTS = 500
HIGH = Decimal(80)
NAMES = ("planned", "already_planned", "quota_exceeded", "owners_processed", "owners_without_contacts")


def month_of(due_at: datetime, zone: str) -> str:
    """Of the campaign that a due moment stands for, as ``2026-11``."""
    return f"{due_at.astimezone(ZoneInfo(zone)):%Y-%m}"


def months_of(due_at: datetime, settings: Settings) -> set[str]:
    """Those that are planned and sent at a due moment: where each has a day of his own, the month of his own clock."""
    if settings.mode != PER_USER:
        return {month_of(due_at, settings.timezone)}
    return {f"{due_at.astimezone(UTC) + ahead:%Y-%m}" for ahead in (timedelta(hours=-12), timedelta(hours=14))}


def plan_month(settings: Settings) -> Derive:
    return Derive(
        users,
        partial(_plan_page, settings),
        counted_as="planned",
        also_counted=NAMES,
        where=asks(),
        safety=Safety(most_fraction=None, runaway=None, batch=settings.owners_at_once, pause=0),
    )


def _plan_page(settings: Settings, connection: Connection, owners: Sequence[Any], run: Run) -> Mapping[str, int]:
    counts = dict.fromkeys(NAMES, 0)
    months = _due(settings, connection, owners, run)
    of_owner = _asked(connection, list(months), run.as_of)
    new = []
    for owner, month in months.items():
        asked = sorted(of_owner[owner], key=_most_likely_first)
        counts["owners_processed"] += 1
        counts["owners_without_contacts"] += not asked
        counts["quota_exceeded"] += max(0, len(asked) - MOST_CONTACTS)
        new += [_invitation(settings, each, month, run) for each in asked[:MOST_CONTACTS]]
    counts["planned"] = _insert(connection, new)
    counts["already_planned"] = len(new) - counts["planned"]
    if settings.mode == PER_USER:
        _note(connection, months, run)
    return counts


def _due(settings: Settings, connection: Connection, owners: Sequence[Any], run: Run) -> dict[Any, str]:
    """The owners whose friends are asked now, each with the month of it."""
    if settings.mode != PER_USER:
        return dict.fromkeys(owners, month_of(run.due_at, settings.timezone))
    columns = (users.c.id, users.c.send_day, users.c.send_time, users.c.timezone)
    rows = connection.execute(select(*columns).where(users.c.id.in_(owners)).order_by(users.c.id)).all()
    clocks = {row: _clock(row, run.due_at, settings) for row in rows}
    done = select(campaign_runs.c.owner_id, campaign_runs.c.month).where(campaign_runs.c.owner_id.in_(owners))
    over = {tuple(row) for row in connection.execute(done)}
    due = {row.id: f"{clock:%Y-%m}" for row, clock in clocks.items() if _has_come(row, clock)}
    return {owner: month for owner, month in due.items() if (owner, month) not in over}


def _clock(owner: Row[Any], moment: datetime, settings: Settings) -> datetime:
    """A zone that nobody knows is that of the campaign."""
    try:
        return moment.astimezone(ZoneInfo(owner.timezone))
    except (KeyError, ValueError, OSError, TypeError):
        return moment.astimezone(ZoneInfo(settings.timezone))


def _has_come(owner: Row[Any], clock: datetime) -> bool:
    try:
        wanted = time.fromisoformat(owner.send_time)
    except (ValueError, TypeError):
        wanted = time(18)
    return clock.day >= (owner.send_day or 1) and clock.time() >= wanted.replace(tzinfo=None)


def _note(connection: Connection, months: Mapping[Any, str], run: Run) -> None:
    rows = [
        {"owner_id": owner, "month": month, "scheduled_at": run.due_at, "status": "planned", "counts": {}}
        for owner, month in months.items()
    ]
    if rows:
        connection.execute(insert(connection, campaign_runs).on_conflict_do_nothing(), rows)


def _asked(connection: Connection, owners: Sequence[Any], now: datetime) -> dict[Any, list[Row[Any]]]:
    """Of each owner, those whom he asks; an address that two rows differ in by case only, once."""
    found: dict[Any, dict[str, Row[Any]]] = defaultdict(dict)
    rows = connection.execute(
        select(contacts).where(contacts.c.owner_id.in_(owners), is_asked(now)).order_by(contacts.c.id)
    ).all()
    blocked = suppressed(connection, {row.email.lower() for row in rows})
    for row in rows:
        if row.email.lower() not in blocked:
            found[row.owner_id].setdefault(row.email.lower(), row)
    return defaultdict(list, {owner: list(each.values()) for owner, each in found.items()})


def _most_likely_first(contact: Row[Any]) -> tuple[Decimal, str]:
    return -(contact.response_rate or Decimal(0)), str(contact.id)


def _invitation(settings: Settings, contact: Row[Any], month: str, run: Run) -> dict[str, Any]:
    id_ = uuid4().hex
    link = token(settings.link_key, id_)
    return {
        "id": id_,
        "from_user_id": contact.owner_id,
        "contact_id": contact.id,
        "to_email": contact.email.lower(),
        "month": month,
        "token_hash": token_hash(link),
        "short_code": link[:SHORT],
        "status": "queued",
        "created_at": run.as_of,
        "queued_at": run.as_of,
        "expires_at": run.as_of + USABLE_FOR,
        "attempts": 0,
        "priority": "high" if (contact.response_rate or 0) > HIGH else "normal",
    }


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> int:
    """How many were new: who was invited this month, by whatever way, is not invited again."""
    if not rows:
        return 0
    known = (
        select(invitations.c.from_user_id, invitations.c.to_email, invitations.c.month)
        .where(invitations.c.month.in_({row["month"] for row in rows}))
        .where(invitations.c.from_user_id.in_({row["from_user_id"] for row in rows}))
    )
    there = {tuple(row) for row in connection.execute(known)}
    new = [row for row in rows if (row["from_user_id"], row["to_email"], row["month"]) not in there]
    if new:
        connection.execute(insert(connection, invitations).on_conflict_do_nothing(), new)
    return len(new)
