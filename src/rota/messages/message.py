"""A message ready to go out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

_ADDRESS = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+@[A-Za-z0-9.\-\[\]:]+")
_ODD = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What people read. ``short`` is for channels that carry a line; ``from_name`` and ``reply_to`` are of mail, and so
    are ``headers``."""

    subject: str
    text: str
    html: str | None = None
    short: str = ""
    from_name: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``key`` is the same each time that this message is sent, and no other's."""

    key: str
    address: str
    content: Content
    name: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of Rota's own making, such as those of RFC 8058; they stand over those of the content."""
    request: str | None = None
    """The key of the request that it was a part of when it was tried before."""


def is_mail_address(text: str) -> bool:
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


def one_line(text: str) -> str:
    """Fit for a header: no line ends, no other control characters, no halves of characters."""
    return " ".join((text if text.isprintable() else _ODD.sub(" ", text)).split())
