"""FF-3: invitations whose time is over, addresses that bounce, rates, samples, and what nobody owns any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, exists, func, not_, or_, select

from apps.faf.settings import Settings
from apps.faf.tables import (
    contacts,
    email_events,
    health_samples,
    invitation_reminders,
    invitations,
    owner_stats,
    users,
)
from apps.numbers import percent
from rota.recipes import Aggregate, Child, Retention, Safety, Steps, Update, insert
from rota.recipes.part import Counts
from rota.recipes.rows import Key, Rows

CAREFUL = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort")
MOVING = CAREFUL.with_(most_fraction=None)
UNFINISHED = ("queued", "sent", "opened", "started", "failed", "unknown")
GONE = ("expired", "cancelled", "bounced")
RATED_OVER = timedelta(days=180)
SOFT_BOUNCES = 5
_invitation, _contact = invitations.c, contacts.c


def _over(now: datetime) -> ColumnElement[bool]:
    """One that is being sent is left to who sends it, until his lease is over."""
    lapsed = or_(_invitation.lease_until.is_(None), _invitation.lease_until < now)
    unfinished = or_(_invitation.status.in_(UNFINISHED), and_(_invitation.status == "sending", lapsed))
    return and_(unfinished, _invitation.expires_at <= now)


@dataclass(frozen=True, eq=False)
class Purge(Retention):
    """What is counted of an invitation stays with its owner when it goes."""

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: datetime) -> Counts:
        going = select(_invitation.from_user_id, _invitation.status, func.count()).where(rows.among(keys))
        totals: dict[Any, Counter[str]] = {}
        for owner, status, count in connection.execute(going.group_by(_invitation.from_user_id, _invitation.status)):
            totals.setdefault(owner, Counter()).update({"invitations": count, status: count})
        for owner, counts in totals.items():
            row = {name: counts[name] for name in ("invitations", *GONE)}
            added: dict[str, Any] = {name: owner_stats.c[name] + count for name, count in row.items()}
            statement = insert(connection, owner_stats).values(owner_id=owner, **row)
            connection.execute(statement.on_conflict_do_update(index_elements=["owner_id"], set_=added))
        return super().change(connection, rows, keys, as_of)


def cleanup(settings: Settings) -> Steps:
    """In this order: what expires in a run is not old enough to be purged in it."""
    return Steps(
        prefix=False,
        expire=Update(invitations, where=_over, set_values={"status": "expired"}, counted_as="expired", safety=MOVING),
        purge=Purge(
            invitations,
            age=_invitation.expires_at,
            older_than=f"{settings.token_retention_days}d",
            where=_invitation.status.in_(GONE),
            children=(Child(invitation_reminders, invitation_reminders.c.invitation_id),),
            counted_as="purged",
            safety=CAREFUL,
        ),
        soft_bounces=Update(
            contacts,
            age=_contact.last_bounce_at,
            older_than="30d",
            where=and_(
                _contact.soft_bounce_count.between(1, SOFT_BOUNCES - 1),
                _contact.email_status == "bounced_temporary",
                _contact.status.not_in(("blocked", "opted_out")),
                not_(_contact.opted_out),
            ),
            set_values={"soft_bounce_count": 0, "email_status": "active"},
            counted_as="soft_bounces_reset",
            safety=MOVING,
        ),
        hard_limit=Update(
            contacts,
            where=and_(_contact.soft_bounce_count >= SOFT_BOUNCES, _contact.email_status != "bounced_permanent"),
            set_values={
                "email_status": "bounced_permanent",
                "status": "bounced",
                "is_active": False,
                "opt_out_reason": "bounce_limit",
            },
            counted_as="bounce_limit",
            safety=MOVING,
        ),
        contact_rates=_rate(_contact.response_rate, _invitation.contact_id),
        owner_rates=_rate(owner_stats.c.response_rate, _invitation.from_user_id),
        samples=Retention(
            health_samples,
            age=health_samples.c.at,
            older_than=f"{settings.metrics_retention_hours}h",
            counted_as="samples_deleted",
            safety=CAREFUL,
        ),
        orphans=Retention(
            contacts,
            age=_contact.created_at,
            older_than="90d",
            where=not_(exists().where(users.c.id == _contact.owner_id)),
            counted_as="orphans_deleted",
            safety=CAREFUL,
        ),
        events=Retention(
            email_events, age=email_events.c.at, older_than="90d", counted_as="events_deleted", safety=CAREFUL
        ),
    )


def _rate(column: Column[Any], by: Column[Any]) -> Aggregate:
    """Of the invitations that were sent in the last 180 days, those that were answered, in percent."""

    def rates(connection: Connection, keys: Sequence[Any], as_of: datetime) -> Mapping[Any, Decimal]:
        sent = and_(by.in_(keys), _invitation.sent_at >= as_of - RATED_OVER, _invitation.sent_at <= as_of)
        answered = func.count(_invitation.submitted_at)
        found = connection.execute(select(by, func.count(), answered).where(sent).group_by(by))
        return {key: percent(submitted, total) for key, total, submitted in found}

    name = "contact_rates" if column.table is contacts else "owner_rates"
    safety = Safety(most_fraction=None, runaway=None, batch=1_000, pause=0)
    return Aggregate(column, rates, missing=..., drift=None, counted_as=name, safety=safety)
