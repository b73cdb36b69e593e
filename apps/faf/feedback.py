"""What the provider tells of mails later: who bounced or complained is left alone, and what was opened is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, case, func, insert, select, update

from apps.faf.settings import Settings
from apps.faf.tables import contacts, email_events, invitations
from rota.messages import Feedback
from rota.messages.feedback import Event

_contact, _invitation = contacts.c, invitations.c
_NOW: Any = object()
MOVED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "delivered": (("unknown",), {"status": "sent", "sent_at": _NOW}),
    "opened": (("sent", "unknown"), {"status": "opened", "opened_at": _NOW}),
    "bounced": (("sent", "unknown"), {"status": "bounced"}),
}
"""What an event makes of an invitation, and from where; it never goes back."""
HARMED: dict[str, dict[str, Any]] = {
    "bounced": {"status": "bounced", "email_status": "bounced_permanent", "bounce_reason": "provider"},
    "complained": {"email_status": "complained", "opted_out": True, "opt_out_reason": "complaint"},
    "soft_bounced": {
        "email_status": case((_contact.email_status == "active", "bounced_temporary"), else_=_contact.email_status),
        "soft_bounce_count": _contact.soft_bounce_count + 1,
    },
}
"""What an event makes of a contact."""


def feedback(settings: Settings, engine: Engine) -> Feedback:
    """For a route: ``feedback(settings, engine).take(request.headers, request.body)`` is the status to answer with."""
    return Feedback(engine, secrets=[settings.feedback_secret] if settings.feedback_secret else [], heard=_heard)


def _heard(connection: Connection, event: Event, row: Row[Any] | None) -> None:
    now = datetime.now(UTC)
    invitation = None if row is None else row.recipient
    entry = {"provider_event_id": event.id, "invitation_id": invitation, "type": event.type, "at": now}
    connection.execute(insert(email_events).values(entry | {"payload": {}}))
    if event.type in MOVED:
        before, values = MOVED[event.type]
        mine = update(invitations).where(_invitation.id == invitation, _invitation.status.in_(before))
        connection.execute(mine.values({name: now if value is _NOW else value for name, value in values.items()}))
    if event.type in HARMED:
        about = select(_invitation.contact_id).where(_invitation.id == invitation).scalar_subquery()
        whose = _contact.id == about if invitation else func.lower(_contact.email) == (event.address or "").lower()
        values = HARMED[event.type] | ({} if event.type == "complained" else {"last_bounce_at": now})
        connection.execute(update(contacts).where(whose).values(values))
