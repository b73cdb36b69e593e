"""What providers tell later: delivered, bounced, complained. Signed, taken once, in any order; nothing goes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, select, update

from rota.messages import tables
from rota.messages.brief import natural_key
from rota.messages.signature import check_secrets, verified
from rota.messages.suppressions import suppress
from rota.recipes.database import insert, writing
from rota.recipes.tables import ready

Type = Literal["deferred", "soft_bounced", "delivered", "opened", "bounced", "complained"]
_RANK = {None: 0, "deferred": 1, "soft_bounced": 2, "delivered": 3, "opened": 4, "bounced": 5, "complained": 6}
_RESEND: dict[str, Type] = {
    "email.delivered": "delivered",
    "email.opened": "opened",
    "email.delivery_delayed": "deferred",
    "email.bounced": "bounced",
    "email.complained": "complained",
}


@dataclass(frozen=True, slots=True)
class Event:
    """``provider_id`` or ``key`` says which message it is about; ``address``, whose is to be left alone from now on.

    ``id`` is what the provider's signature covers, and the place in the body: each is heard of once.
    """

    type: Type
    provider_id: str | None = None
    key: str | None = None
    address: str | None = None
    id: str = ""


def resend(body: Any) -> Sequence[Event]:
    """The events of Resend's webhook; a bounce that may pass is none of an address."""
    data = body.get("data") or {}
    found = _RESEND.get(body.get("type"))
    if found is None:
        return []
    if found == "bounced" and str((data.get("bounce") or {}).get("type", "")).lower() in {"transient", "temporary"}:
        found = "soft_bounced"
    to, id_ = data.get("to"), data.get("email_id")
    first = to[0] if isinstance(to, list) and to else to
    address = parseaddr(first)[1] if isinstance(first, str) else ""
    return [Event(found, id_ if isinstance(id_, str) else None, address=address or None)]


@dataclass(frozen=True)
class Feedback:
    """``take`` is the whole of a route of yours: give it the headers and the body as it came, answer with the status
    that it returns. ``heard`` is called, in the transaction, with each event and the row of its message, if there is
    one."""

    engine: Engine
    _: KW_ONLY
    secrets: Sequence[str] = field(repr=False)
    read: Callable[[Any], Sequence[Event]] = resend
    heard: Callable[[Connection, Event, Row[Any] | None], None] | None = None

    def __post_init__(self) -> None:
        check_secrets("feedback", self.secrets)

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """200: taken, now or before; 401: nobody with a secret sent it; 400: it cannot be read."""
        event_id = verified(self.secrets, headers, body)
        if event_id is None:
            return 401
        try:
            events = self.read(json.loads(body))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return 400
        ready(self.engine, tables.metadata)
        with writing(self.engine) as connection:
            for number, event in enumerate(events):
                self._take_one(connection, replace(event, id=f"{event_id}:{number}"))
        return 200

    def _take_one(self, connection: Connection, event: Event) -> None:
        row = _message(connection, event)
        now = datetime.now(UTC)
        entry = {"id": event.id, "at": now, "type": event.type, "message_id": None if row is None else row.id}
        if not tables.inserted(connection, insert(connection, tables.events).values(entry).on_conflict_do_nothing()):
            return
        if event.address and event.type in {"bounced", "complained"}:
            suppress(connection, event.address, event.type)
        if row is not None:
            values: dict[str, Any] = {}
            if _RANK[event.type] > _RANK.get(row.feedback, 0):
                values["feedback"] = event.type
            if row.status == "unknown" and event.type not in {"deferred", "soft_bounced"}:  # so it did arrive
                values |= {"status": "sent", "ended_at": now}
            if values:
                connection.execute(update(tables.deliveries).where(tables.deliveries.c.id == row.id).values(values))
        if self.heard is not None:
            self.heard(connection, event, row)


def _message(connection: Connection, event: Event) -> Row[Any] | None:
    row = tables.deliveries.c
    if event.provider_id:
        query = select(tables.deliveries).where(row.provider_id == event.provider_id)
        if found := connection.execute(query.order_by(row.id.desc()).limit(1)).first():
            return found
    number = (event.key or "").rpartition("-")[2]
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    found = connection.execute(select(tables.deliveries).where(row.id == int(number)).with_for_update()).first()
    return found if found is not None and natural_key(found) == event.key else None
