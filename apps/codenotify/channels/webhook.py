"""WhatsApp, push, Discord and Telegram: a POST to the provider, with a key that makes a repeat harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from apps.codenotify.adapters.http import LATER, retry_after
from apps.codenotify.channels.message import Message
from apps.codenotify.clients import http_client
from apps.codenotify.errors import AmbiguousError, PermanentError, TransientError
from apps.codenotify.settings import Webhook

Body = Callable[[Message], dict[str, Any]]
BODIES: dict[str, Body] = {
    "whatsapp": lambda message: {"to": message.address, "text": message.short},
    "push": lambda message: {"token": message.address, "title": message.subject, "body": message.short},
    "discord": lambda message: {"recipient_id": message.address, "content": message.short},
    "telegram": lambda message: {"chat_id": message.address, "text": message.short},
}


class WebhookSender:
    """A channel behind an HTTP address; the answer may carry the provider's ``id``."""

    def __init__(self, name: str, hook: Webhook) -> None:
        self.name = name
        self.honours_keys = hook.honours_keys
        self.rate_per_s = hook.rate_per_s
        self._url = hook.url
        self._body = BODIES[name]
        authorization = {"Authorization": f"Bearer {hook.token}"} if hook.token else {}
        self._client = http_client(timeout=hook.timeout_s, headers=authorization)

    def send(self, message: Message) -> str:
        try:
            response = self._client.post(self._url, json=self._body(message), headers={"Idempotency-Key": message.key})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TransientError("connection", type(error).__name__) from error
        except httpx.RequestError as error:
            raise AmbiguousError("connection", type(error).__name__) from error
        _raise_for_status(response)
        return _provider_id(response) or message.key

    def rest(self) -> None:
        """Idle connections are the client's own affair."""

    def close(self) -> None:
        self._client.close()


def _raise_for_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in LATER:
        raise TransientError(f"http_{status}", f"HTTP {status}", retry_after=retry_after(response))
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:  # about us: all the others would fare alike
        raise TransientError("unauthorized", f"HTTP {status}")
    if not response.is_success:
        raise PermanentError("refused", f"HTTP {status}")


def _provider_id(response: httpx.Response) -> str | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return str(body["id"]) if isinstance(body, dict) and "id" in body else None
