"""FF-1, part A: the invitations of a month, each once for an owner and an address, a page of owners at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, select

from apps.database import insert
from apps.faf.eligible import asks, is_asked, suppressed
from apps.faf.links import SHORT, token, token_hash
from apps.faf.settings import Settings
from apps.faf.tables import contacts, invitations, users
from rota.recipes import Derive, Safety

if TYPE_CHECKING:
    from rota import Run

USABLE_FOR = timedelta(days=60)
MOST_CONTACTS = 500
HIGH = Decimal(80)
NAMES = ("planned", "already_planned", "quota_exceeded", "owners_processed", "owners_without_contacts")


def month_of(due_at: datetime, zone: str) -> str:
    """Of the campaign that a due moment stands for, as ``2026-11``."""
    return f"{due_at.astimezone(ZoneInfo(zone)):%Y-%m}"


def plan_month(settings: Settings) -> Derive:
    return Derive(
        users,
        partial(_plan_page, settings),
        counted_as="planned",
        where=asks(),
        safety=Safety(most_fraction=None, runaway=None, batch=settings.owners_at_once, pause=0),
    )


def _plan_page(settings: Settings, connection: Connection, owners: Sequence[Any], run: Run) -> Mapping[str, int]:
    counts = dict.fromkeys(NAMES, 0)
    of_owner = _asked(connection, owners, run.as_of)
    new = []
    for owner in owners:
        asked = sorted(of_owner[owner], key=_most_likely_first)
        counts["owners_processed"] += 1
        counts["owners_without_contacts"] += not asked
        counts["quota_exceeded"] += max(0, len(asked) - MOST_CONTACTS)
        new += [_invitation(settings, each, run) for each in asked[:MOST_CONTACTS]]
    counts["planned"] = _insert(connection, new)
    counts["already_planned"] = len(new) - counts["planned"]
    return counts


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


def _invitation(settings: Settings, contact: Row[Any], run: Run) -> dict[str, Any]:
    id_ = uuid4().hex
    link = token(settings.link_key, id_)
    return {
        "id": id_,
        "from_user_id": contact.owner_id,
        "contact_id": contact.id,
        "to_email": contact.email.lower(),
        "month": month_of(run.due_at, settings.timezone),
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
        select(invitations.c.from_user_id, invitations.c.to_email)
        .where(invitations.c.month == rows[0]["month"])
        .where(invitations.c.from_user_id.in_({row["from_user_id"] for row in rows}))
    )
    there = {(owner, email) for owner, email in connection.execute(known)}
    new = [row for row in rows if (row["from_user_id"], row["to_email"]) not in there]
    if new:
        connection.execute(insert(connection, invitations).on_conflict_do_nothing(), new)
    return len(new)
