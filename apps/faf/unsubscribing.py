"""The link that ends the invitations of one owner, for one of his contacts: of other owners he may want them still."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, String, cast, update

from apps.faf.settings import Settings
from apps.faf.tables import contacts
from rota.messages import Unsubscribe
from rota.recipes import writing

_contact = contacts.c


def links(settings: Settings) -> Unsubscribe:
    """Their topic is the contact, who is of one owner."""
    return Unsubscribe(f"{settings.public_url}/unsubscribe", secrets=[f"{settings.link_key}:unsubscribe"])


def opt_out(settings: Settings, engine: Engine, token: str) -> bool:
    """For the POST of a route; its GET shows a button. Whether the link is one of ours; once more changes nothing."""
    link = links(settings).read(token)
    if link is None:
        return False
    values = {"opted_out": True, "opted_out_at": datetime.now(UTC), "opt_out_reason": "manual_unsubscribe"}
    mine = (cast(_contact.id, String) == link.topic, _contact.opted_out.is_(False))
    with writing(engine) as connection:
        connection.execute(update(contacts).where(*mine).values(email_status="unsubscribed", **values))
    return True
