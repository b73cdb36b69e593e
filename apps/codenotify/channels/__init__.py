"""The ways to reach a person: a module each."""

from __future__ import annotations

from collections.abc import Mapping

from apps.codenotify.channels.email import EmailSender
from apps.codenotify.channels.message import ADDRESS_COLUMNS, Message, Sender
from apps.codenotify.channels.webhook import WebhookSender
from apps.codenotify.settings import Settings

__all__ = ["ADDRESS_COLUMNS", "Message", "Sender", "senders"]


def senders(settings: Settings) -> Mapping[str, Sender]:
    """The channels that are configured, by name: mail always, a webhook when it has an address."""
    found: dict[str, Sender] = {"email": EmailSender(settings)}
    found |= {name: WebhookSender(name, hook) for name, hook in settings.webhooks.items() if hook.url}
    return found
