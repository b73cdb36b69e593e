"""The ways to reach a person: mail always, a provider's webhook where it has an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.codenotify.settings import Settings
from rota.messages import Message, Sender, Smtp, Webhook

BODIES: dict[str, Callable[[Message], dict[str, Any]]] = {
    "whatsapp": lambda message: {"to": message.address, "text": message.content.short},
    "push": lambda message: {
        "token": message.address,
        "title": message.content.subject,
        "body": message.content.short,
    },
    "discord": lambda message: {"recipient_id": message.address, "content": message.content.short},
    "telegram": lambda message: {"chat_id": message.address, "text": message.content.short},
}


def senders(settings: Settings) -> Mapping[str, Sender]:
    """Those that are configured, by channel."""
    found: dict[str, Sender] = {"email": _mail(settings)}
    return found | {name: _hook(settings, name) for name, hook in settings.webhooks.items() if hook.url}


def _mail(settings: Settings) -> Smtp:
    return Smtp(
        settings.smtp_host,
        settings.smtp_port,
        sender=settings.mail_from,
        username=settings.smtp_username,
        password=settings.smtp_password,
        tls="starttls" if settings.smtp_starttls else "none",
        timeout=settings.smtp_timeout_s,
        connections=settings.channel_concurrency,
        per_second=_rate(settings.mail_rate_per_s),
    )


def _hook(settings: Settings, channel: str) -> Webhook:
    hook, body = settings.webhooks[channel], BODIES[channel]

    def one(messages: Sequence[Message]) -> dict[str, Any]:
        return body(messages[0])

    return Webhook(
        hook.url,
        name=channel,
        token=hook.token,
        honours_keys=hook.honours_keys,
        timeout=hook.timeout_s,
        connections=settings.channel_concurrency,
        per_second=_rate(hook.rate_per_s),
        body=one,
    )


def _rate(per_second: float) -> str | None:
    return f"{per_second:f}/s" if per_second else None
