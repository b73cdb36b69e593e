"""A message ready to go out, and what every channel is to the rest of the application."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# Where a person's address on a channel is kept.
ADDRESS_COLUMNS = {
    "email": "email",
    "whatsapp": "phone",
    "push": "push_token",
    "discord": "discord_id",
    "telegram": "telegram_chat_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``key`` is the same each time this message is sent; ``short`` has at most 240 characters, the link last."""

    key: str
    address: str
    name: str
    subject: str
    text: str
    html: str
    short: str
    unsubscribe_url: str
    at: datetime


class Sender(Protocol):
    """A channel. ``honours_keys``: the provider takes a repeated key as the same message."""

    name: str
    honours_keys: bool
    rate_per_s: float

    def send(self, message: Message) -> str:
        """Hand the message over, and return the provider's id for it. May be called by many threads.

        Raises ``TransientError``, ``PermanentError``, or ``AmbiguousError`` when nobody can know.
        """
        ...

    def rest(self) -> None:
        """Nothing will be sent for a while: give connections back."""
        ...

    def close(self) -> None: ...
