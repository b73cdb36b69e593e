"""Who is asked, and by whom: one rule for the campaign, its retries and the reminders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, not_, or_, select

from apps.faf.tables import contacts, suppressions, users

SOFT_BOUNCES, SOFT_FOR = 3, timedelta(days=30)
UNREACHABLE = ("bounced_permanent", "complained", "unsubscribed")
_contact, _owner = contacts.c, users.c


def asks() -> ColumnElement[bool]:
    """Owners whose friends are asked."""
    return and_(_owner.is_active, _owner.email_verified, _owner.deleted_at.is_(None))


def is_asked(now: datetime) -> ColumnElement[bool]:
    """``pending`` is how contacts begin: they become active by answering, so they must be asked."""
    bounced_lately = and_(
        _contact.soft_bounce_count >= SOFT_BOUNCES,
        _contact.last_bounce_at.is_not(None),  # else NULL would make nobody of a contact that never bounced
        _contact.last_bounce_at > now - SOFT_FOR,
    )
    return and_(
        _contact.is_active,
        not_(_contact.opted_out),
        _contact.status.in_(("pending", "active")),
        not_(_contact.email_status.in_(UNREACHABLE)),
        not_(bounced_lately),
    )


def why_not() -> list[tuple[ColumnElement[bool], str]]:
    """What may have come between the plan and the hand-over, and how it is told."""
    return [
        (not_(asks()), "owner_inactive"),
        (or_(_contact.opted_out, _contact.status == "opted_out", _contact.email_status == "unsubscribed"), "opted_out"),
        (or_(_contact.status == "bounced", _contact.email_status.in_(UNREACHABLE)), "bounced"),
    ]


def address_hash(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()


def suppressed(connection: Connection, addresses: Iterable[str]) -> set[str]:
    """Those of the addresses that nobody may write to."""
    hashes = {address_hash(address): address for address in addresses}
    found = connection.scalars(select(suppressions.c.email_hash).where(suppressions.c.email_hash.in_(list(hashes))))
    return {hashes[each] for each in found}
