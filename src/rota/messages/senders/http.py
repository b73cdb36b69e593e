"""A provider behind HTTP: many messages a call, each with its own outcome; and a signed webhook, a message a call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formataddr, parseaddr
from typing import Any

from rota.messages.message import Message, one_line
from rota.messages.outcome import Outcome, Refused, Sent, Unsure
from rota.messages.senders.calls import Answer, Calls, refusal
from rota.messages.senders.sender import Rate
from rota.messages.signature import sign
from rota.recipes.database import batches

Body = Callable[[Sequence[Message]], Any]
Read = Callable[[Answer, Sequence[Message]], Sequence[Outcome]]


@dataclass(eq=False)
class HttpProvider:
    """Mail by a provider's batch call, in Resend's form unless ``body`` and ``read`` say otherwise: ``body`` makes the
    JSON of some messages, ``read`` tells from a good answer what became of each. ``timeout``: seconds for a whole call.

    The key of a call goes as ``Idempotency-Key``. A call that is refused for what one of its messages holds is made
    again in halves, until that one is found.
    """

    url: str
    _: KW_ONLY
    sender: str = ""
    token: str = field(default="", repr=False)
    name: str = ""
    per_request: int = 100
    connections: int = 4
    per_second: str | None = None
    requests_per_second: str | None = None
    honours_keys: bool = True
    timeout: float = 15.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    read: Read | None = None

    def __post_init__(self) -> None:
        self.name = self.name or f"http:{self.url.partition('?')[0]}"
        self.rate = Rate.of(self.per_second, self.requests_per_second)
        self._calls = Calls(self.timeout, self.connections)
        self._from = parseaddr(self.sender)

    def send(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        for some in batches(messages, self.per_request):
            yield from self._send(some, _request_key(some))

    def rest(self) -> None:
        self._calls.rest()

    def _send(self, messages: Sequence[Message], key: str) -> Sequence[Outcome]:
        try:
            body = json.dumps(self._body(messages)).encode()
        except (TypeError, ValueError, RecursionError) as error:
            outcome: Outcome = Refused(f"body:{type(error).__name__}")
        else:
            answer = self._calls.post(self.url, body, self._headers(key, body))
            if not isinstance(answer, Answer):
                outcome = answer
            elif (refused := _same_key(answer) or refusal(answer)) is not None:
                outcome = refused
            else:
                return self._told(answer, messages)
        if not isinstance(outcome, Refused) or len(messages) == 1:
            return [outcome] * len(messages)
        middle = len(messages) // 2
        return [*self._send(messages[:middle], f"{key}.0"), *self._send(messages[middle:], f"{key}.1")]

    def _told(self, answer: Answer, messages: Sequence[Message]) -> Sequence[Outcome]:
        """A good status and an answer that cannot be read: who knows?"""
        try:
            told = list((self.read or _ids)(answer, messages))
        except Exception as error:  # noqa: BLE001 - the answer may be anything
            return [Unsure(f"answer:{type(error).__name__}")] * len(messages)
        return told if len(told) == len(messages) else [Unsure("answer:count")] * len(messages)

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        del body
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Idempotency-Key": key, **bearer, **self.headers}

    def _body(self, messages: Sequence[Message]) -> Any:
        return self.body(messages) if self.body is not None else [self._mail(message) for message in messages]

    def _mail(self, message: Message) -> dict[str, Any]:
        content, (name, address) = message.content, self._from
        mail = {
            "from": formataddr((one_line(name if content.from_name is None else content.from_name), address)),
            "to": [message.address],
            "subject": one_line(content.subject),
            "text": content.text,
            "html": content.html,
            "reply_to": content.reply_to,
            "headers": {**content.headers, **message.headers},
            "tags": [{"name": "key", "value": message.key}],
        }
        return {name: value for name, value in mail.items() if value}


@dataclass(eq=False)
class Webhook(HttpProvider):
    """A message a call, signed with ``secret`` as Standard Webhooks says; the body is ``to``, ``subject``, ``text``
    and ``short``, unless ``body`` makes another of a list with the one message. The answer may hold an ``id``."""

    _: KW_ONLY
    secret: str = field(default="", repr=False)
    per_request: int = 1

    def _headers(self, key: str, body: bytes) -> dict[str, str]:
        return super()._headers(key, body) | (sign(self.secret, key, body) if self.secret else {})

    def _body(self, messages: Sequence[Message]) -> Any:
        if self.body is not None:
            return self.body(messages)
        [message] = messages
        content = message.content
        return {"to": message.address, "subject": content.subject, "text": content.text, "short": content.short}

    def _told(self, answer: Answer, messages: Sequence[Message]) -> Sequence[Outcome]:
        if self.read is not None:
            return super()._told(answer, messages)
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        return [Sent(str(found["id"])) if isinstance(found, dict) and "id" in found else Sent()]


def _request_key(messages: Sequence[Message]) -> str:
    return messages[0].request or messages[0].key


def _ids(answer: Answer, messages: Sequence[Message]) -> Sequence[Outcome]:
    """``{"data": [{"id": …}, …]}``, in the order of the messages."""
    del messages
    return [Sent(str(each["id"])) for each in json.loads(answer.body)["data"]]


def _same_key(answer: Answer) -> Outcome | None:
    """409: a call with this key was taken before, with a text that has changed since (a time left, say)."""
    taken = answer.status == 409 and b"invalid_idempotent_request" in answer.body
    return Sent() if taken else None
