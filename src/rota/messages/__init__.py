"""Messages, once to each recipient, and an account of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota.messages.campaign import Campaign
    from rota.messages.digest import Digest, Summary
    from rota.messages.feedback import Event, Feedback
    from rota.messages.ledger import moment
    from rota.messages.mailing import Mailing
    from rota.messages.message import Content, Message
    from rota.messages.notify import Notify
    from rota.messages.outcome import Held, Later, Refused, Sent, Unsure
    from rota.messages.parcel import Ended
    from rota.messages.reminders import Reminders, Step
    from rota.messages.senders.http import HttpProvider, Webhook
    from rota.messages.senders.sender import Rate, Sender
    from rota.messages.senders.smtp import Smtp
    from rota.messages.suppressions import allow, suppress
    from rota.messages.tables import deliveries, metadata
    from rota.messages.templates import Templates
    from rota.messages.unsubscribe import Unsubscribe

_HOMES = {
    "Campaign": "campaign",
    "Content": "message",
    "Digest": "digest",
    "Ended": "parcel",
    "Event": "feedback",
    "Feedback": "feedback",
    "Held": "outcome",
    "HttpProvider": "senders.http",
    "Later": "outcome",
    "Mailing": "mailing",
    "Message": "message",
    "Notify": "notify",
    "Rate": "senders.sender",
    "Refused": "outcome",
    "Reminders": "reminders",
    "Sender": "senders.sender",
    "Sent": "outcome",
    "Smtp": "senders.smtp",
    "Step": "reminders",
    "Summary": "digest",
    "Templates": "templates",
    "Unsubscribe": "unsubscribe",
    "Unsure": "outcome",
    "Webhook": "senders.http",
    "allow": "suppressions",
    "deliveries": "tables",
    "metadata": "tables",
    "moment": "ledger",
    "suppress": "suppressions",
}

__all__ = [
    "Campaign",
    "Content",
    "Digest",
    "Ended",
    "Event",
    "Feedback",
    "Held",
    "HttpProvider",
    "Later",
    "Mailing",
    "Message",
    "Notify",
    "Rate",
    "Refused",
    "Reminders",
    "Sender",
    "Sent",
    "Smtp",
    "Step",
    "Summary",
    "Templates",
    "Unsubscribe",
    "Unsure",
    "Webhook",
    "allow",
    "deliveries",
    "metadata",
    "moment",
    "suppress",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rota.messages' has no attribute {name!r}")
    value = getattr(import_module(f"rota.messages.{home}"), name)
    globals()[name] = value
    return value
