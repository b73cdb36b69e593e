"""A process that does one attempt of a campaign, for a test that kills it."""

from __future__ import annotations

from typing import Any

from rota.messages import HttpProvider, Smtp
from rota.recipes import bind
from tests.messages.conftest import engine_for, news, send
from tests.messages.tables import metadata


def attempt(url: str, kind: str, where: Any, number: int, told: Any) -> None:
    """Do it on an engine of this process's own, and tell the counts."""
    bind(metadata, engine_for(url))
    sender: Any
    if kind == "http":
        sender = HttpProvider(where, sender="a@b.example", per_request=20, connections=2)
    else:
        sender = Smtp("127.0.0.1", where, sender="a@b.example", honours_keys=kind == "smtp with keys", connections=2)
    told.put(send(news(sender), attempt=number).counts)
