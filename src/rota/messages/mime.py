"""A mail as it goes over the wire.

Written here and not with ``email``, which takes ten times as long: at a thousand mails a second it would be most of the
work. Whatever comes out is what ``email`` reads back as it was put in; the tests hold it to that, with any text.
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from email.utils import format_datetime
from functools import lru_cache

from rota.messages.message import Message, is_mail_address, one_line

LONGEST = 900
"""Characters in a line of text that stands as it is; SMTP allows 998 bytes."""
_SPECIAL = frozenset('()<>[]:;@\\,."')


class BadMailError(ValueError):
    """It cannot be a mail; the text is one word for reports."""


def compose(message: Message, from_name: str, from_address: str) -> bytes:
    """The mail, with lines that end in CRLF. Raises ``BadMailError``."""
    if not is_mail_address(message.address):
        raise BadMailError("bad_address")
    content = message.content
    if content.reply_to is not None and not is_mail_address(content.reply_to):
        raise BadMailError("bad_reply_to")
    headers = {
        "From": _mailbox(content.from_name if content.from_name is not None else from_name, from_address),
        "To": _mailbox(message.name, message.address),
        "Subject": _words(content.subject, "Subject"),
        "Message-ID": f"<{message_id(message.key, from_address)}>",
        "Date": _date(message.at),
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }
    if content.reply_to is not None:
        headers["Reply-To"] = content.reply_to
    for name, value in {**content.headers, **message.headers}.items():
        if not _is_header_name(name):
            raise BadMailError("bad_header")
        headers[name] = _words(value, name)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    if content.html is None:
        return head + _part(content.text, b"plain")
    between = b"=_" + message.key.encode("ascii", "replace").hex().encode()[:60]
    return b"".join(
        (
            head,
            b'Content-Type: multipart/alternative; boundary="', between, b'"\r\n\r\n--', between, b"\r\n",
            _part(content.text, b"plain"),
            b"\r\n--", between, b"\r\n",
            _part(content.html, b"html"),
            b"\r\n--", between, b"--\r\n",
        )
    )  # fmt: skip


_date = lru_cache(64)(format_datetime)


@lru_cache(1_000)
def _is_header_name(name: str) -> bool:
    return name.isascii() and name.replace("-", "").isalnum()


def message_id(key: str, from_address: str) -> str:
    """It follows from the key, so that a repeated mail can be told."""
    return f"{key.replace(':', '.')}@{from_address.rpartition('@')[2]}"


def _part(text: str, kind: bytes) -> bytes:
    """As it stands where mail can carry it so, which people can read in a file, else quoted-printable. What stands as
    it is holds no ``=_``, which begins the line between parts."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    plain = text.isascii() and "=_" not in text and all(len(line) < LONGEST for line in lines) and "\0" not in text
    body = "\r\n".join([*lines, ""]).encode("utf-8", "replace")
    if plain:
        return b"Content-Type: text/" + kind + b"; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + body
    head = b"Content-Type: text/" + kind + b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + b2a_qp(body, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _mailbox(name: str, address: str) -> str:
    name = one_line(name)
    if not name:
        return address
    if not name.isascii() or len(name) > LONGEST:
        return f"{_encoded(name)} <{address}>"
    if _SPECIAL.isdisjoint(name):
        return f"{name} <{address}>"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def _words(text: str, header: str) -> str:
    text = one_line(text)
    as_it_stands = text.isascii() and len(text) + len(header) < LONGEST and "=?" not in text
    return text if as_it_stands else _encoded(text)


def _encoded(text: str) -> str:
    """Words of RFC 2047, each of whole characters and at most 75 long, on lines of their own."""
    words, chunk, size = [], "", 0
    for char in text:
        length = len(char.encode("utf-8", "replace"))
        if size + length > 45:
            words.append(chunk)
            chunk, size = "", 0
        chunk, size = chunk + char, size + length
    encoded = (b2a_base64(word.encode("utf-8", "replace"), newline=False).decode() for word in [*words, chunk])
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in encoded)
