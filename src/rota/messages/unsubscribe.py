"""Links that end messages with one click, without a login, for one address and topic only (RFC 8058)."""

from __future__ import annotations

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import Engine

from rota.messages import tables
from rota.messages.signature import check_secrets
from rota.messages.suppressions import address_hash, suppress_hash
from rota.recipes.database import writing
from rota.recipes.tables import ready


class Unsubscribed(NamedTuple):
    """``topic`` is what the person wants no more of; ``""`` is everything."""

    address_hash: str
    topic: str


@dataclass(frozen=True)
class Unsubscribe:
    """``url`` is a page of yours; ``secrets``: the first signs, all are good, so that one can be replaced.

    A GET of the link shows a page with a button (mail scanners follow links); a POST, by the button or by the mail
    program, calls ``accept``.
    """

    url: str
    _: KW_ONLY
    secrets: Sequence[str] = field(repr=False)
    mailto: str | None = None

    def __post_init__(self) -> None:
        check_secrets("an unsubscribe link", self.secrets)

    def link(self, address: str, topic: str = "") -> str:
        text = f"{address_hash(address)}:{topic}".encode()
        token = f"{urlsafe_b64encode(text).decode().rstrip('=')}.{_sign(self.secrets[0], text)}"
        return f"{self.url}{'&' if '?' in self.url else '?'}token={quote(token)}"

    def headers(self, link: str) -> dict[str, str]:
        ways = f"<{link}>" if self.mailto is None else f"<{link}>, <mailto:{self.mailto}>"
        return {"List-Unsubscribe": ways, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}

    def read(self, token: str) -> Unsubscribed | None:
        """What the link is for; None where it is not one of ours."""
        body, _, signature = token.partition(".")
        try:
            text = b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            hashed, _, topic = text.decode().partition(":")
        except ValueError:
            return None
        given = signature.encode("utf-8", "replace")
        good = [hmac.compare_digest(_sign(secret, text).encode(), given) for secret in self.secrets]
        return Unsubscribed(hashed, topic) if any(good) else None

    def accept(self, engine: Engine, token: str, *, everything: bool = False) -> Unsubscribed | None:
        """Write to that address no more, of that topic or at all; None where the link is not one of ours."""
        found = self.read(token)
        if found is None:
            return None
        ready(engine, tables.metadata)
        topic = "" if everything else found.topic
        with writing(engine) as connection:
            suppress_hash(connection, found.address_hash, "unsubscribed", topic)
        return Unsubscribed(found.address_hash, topic)


def _sign(secret: str, text: bytes) -> str:
    return hmac.digest(secret.encode(), b"unsubscribe:" + text, "sha256").hex()[:32]
