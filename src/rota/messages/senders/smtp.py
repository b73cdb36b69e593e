"""Mail by SMTP, over connections that are kept while there is something to send.

``smtplib`` opens a connection, with TLS and login. From there on mails go as RFC 2920 allows: the end of one and the
envelope of the next in one packet, so that a mail costs one trip there and back, where the server can.
"""

from __future__ import annotations

import contextlib
import os
import re
import smtplib
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from email.utils import parseaddr
from itertools import pairwise
from queue import Empty, LifoQueue
from typing import Literal

from rota.errors import ConfigError
from rota.messages.message import Message, is_mail_address
from rota.messages.mime import BadMailError, compose
from rota.messages.outcome import Held, Later, Outcome, Refused, Sent, Unsure
from rota.messages.senders.sender import Rate
from rota.messages.senders.wire import Broken, Reply, Wire

_GOING_DOWN, _GO_AHEAD = 421, 354
_GIVE_UP_AFTER = 2
_NOBODY = {550, 551, 553}
_ENHANCED = re.compile(rb"5\.(\d{1,3})\.\d{1,3}\b")
_BLOCKED = re.compile(rb"block|black ?list|spam|reputation|policy", re.IGNORECASE)


@dataclass(eq=False)
class Smtp:
    """``sender`` is ``"Shop <news@shop.example>"``. SMTP knows no keys: a mail whose connection broke after its last
    byte may have arrived or not, unless the server (``honours_keys``) drops a Message-ID that it has seen.

    ``timeout``: seconds for each answer as a whole, however slowly it drips.
    """

    host: str
    port: int = 25
    _: KW_ONLY
    sender: str
    name: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Literal["none", "starttls", "implicit"] = "none"
    timeout: float = 15.0
    connections: int = 4
    per_second: str | None = None
    honours_keys: bool = False
    per_request: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        self.name = self.name or f"smtp:{self.host}:{self.port}"
        self.rate = Rate.of(self.per_second)
        self.from_name, self.from_address = parseaddr(self.sender)
        if not is_mail_address(self.from_address):
            raise ConfigError(f"sender={self.sender!r} has no mail address", hint='Write "Shop <news@shop.example>".')
        self._idle: LifoQueue[Wire] = LifoQueue()
        self._owner = os.getpid()

    def send(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        delivery = _Delivery(self, messages)
        try:
            yield from delivery.outcomes()
        finally:
            delivery.leave()

    def rest(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._idle.get_nowait().quit()

    # --- connections

    def lend(self) -> Wire:
        """A kept one is its process's own. Raises ``Broken``."""
        if self._owner != os.getpid():
            self._owner, self._idle = os.getpid(), LifoQueue()
        with contextlib.suppress(Empty):
            return self._idle.get_nowait()
        return self._open()

    def keep(self, wire: Wire) -> None:
        self._idle.put(wire)

    def _open(self) -> Wire:
        kind = smtplib.SMTP_SSL if self.tls == "implicit" else smtplib.SMTP
        connection = kind(timeout=self.timeout)
        with _no_longer_than(self.timeout, connection):
            try:
                code, _ = connection.connect(self.host, self.port)
                if code != 220:
                    raise Broken(f"greeting_{code}")  # noqa: TRY301 - the connection is to be closed
                if self.tls == "starttls":
                    connection.starttls(context=ssl.create_default_context())
                if self.username:
                    connection.login(self.username, self.password)
                connection.ehlo_or_helo_if_needed()
            except BaseException as error:
                connection.close()
                if isinstance(error, smtplib.SMTPAuthenticationError):
                    raise Broken("unauthorized") from error
                if isinstance(error, (smtplib.SMTPException, OSError, ValueError)):  # ValueError: an odd answer
                    raise Broken(f"connection:{type(error).__name__}") from error
                raise
        return Wire(connection, self.timeout)


class _Delivery:
    """Some messages, one after the other, over one connection; over another where that one breaks."""

    def __init__(self, smtp: Smtp, messages: Sequence[Message]) -> None:
        self._smtp = smtp
        self._messages = messages
        self._wire: Wire | None = None
        self._said_ahead = False
        """The envelope of the message whose turn it is left with the content of the one before."""
        self._broken = 0
        """So many times in a row; after two the rest is left for another time."""

    def outcomes(self) -> Iterator[Outcome]:
        composed = [self._compose(message) for message in self._messages]
        sound = [at for at, mail in enumerate(composed) if isinstance(mail, bytes)]
        following = dict(pairwise(sound))
        for at, mail in enumerate(composed):
            if isinstance(mail, Refused):
                yield mail
            elif self._broken >= _GIVE_UP_AFTER:
                yield Held()
            else:
                after = following.get(at)
                yield self._deliver(self._messages[at], mail, None if after is None else self._messages[after])

    def leave(self) -> None:
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if self._said_ahead:
            wire.close()  # after DATA there is no way back but the end
        else:
            self._smtp.keep(wire)

    def _compose(self, message: Message) -> bytes | Refused:
        try:
            return compose(message, self._smtp.from_name, self._smtp.from_address)
        except BadMailError as error:
            return Refused(str(error), bounce=str(error) == "bad_address")

    def _deliver(self, message: Message, mail: bytes, after: Message | None) -> Outcome:
        try:
            told = self._announce(message)
        except Broken as error:
            return self._broke(Later(error.why, down=True))
        if not isinstance(told, Wire):
            return told
        follows = self._envelope(after) if after is not None and told.pipelines else []
        try:
            reply = told.content(mail, follows)
        except Broken as error:
            return self._broke(Unsure(error.why))
        self._broken = 0
        if reply.code == _GOING_DOWN:
            self._drop()
        else:
            self._said_ahead = bool(follows)
        return Sent() if reply.ok else _refusal(reply)

    def _announce(self, message: Message) -> Wire | Outcome:
        """Say who it is for, until a connection waits for the mail; or why none does. One that has been used, and that
        the server has closed meanwhile, is replaced. Raises ``Broken``."""
        while True:
            wire = self._wire = self._wire or self._smtp.lend()
            try:
                return self._say(wire, message) or wire
            except Broken:
                self._drop()
                if not wire.was_used:
                    raise

    def _say(self, wire: Wire, message: Message) -> Outcome | None:
        """What speaks against it, if anything does. Raises ``Broken``."""
        if not self._said_ahead:
            wire.commands(self._envelope(message))
        self._said_ahead = False
        mail, recipient, data = wire.replies(3)
        if _GOING_DOWN in {mail.code, recipient.code, data.code}:
            raise Broken("going_down")
        if mail.ok and recipient.ok and data.code == _GO_AHEAD:
            return None
        if data.code == _GO_AHEAD:
            wire.content(b"", [])  # it must be given something, and has nobody to give it to
        if not wire.reset():
            self._drop()
        if not mail.ok:  # it is about us: all the others would fare alike, so none of them is given up
            return Later(f"sender_refused_{mail.code}", down=True)
        refusal = _refusal(data if recipient.ok else recipient)
        return Later(refusal.error, down=True) if isinstance(refusal, Unsure) else refusal

    def _envelope(self, message: Message) -> list[bytes]:
        return [f"MAIL FROM:<{self._smtp.from_address}>".encode(), f"RCPT TO:<{message.address}>".encode(), b"DATA"]

    def _broke(self, outcome: Outcome) -> Outcome:
        self._broken += 1
        self._drop()
        return outcome

    def _drop(self) -> None:
        self._said_ahead = False
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def _refusal(reply: Reply) -> Outcome:
    if reply.code == _GOING_DOWN:
        return Later("going_down", down=True)
    if 400 <= reply.code < 500:
        return Later(f"deferred_{reply.code}")
    if 500 <= reply.code < 600 and _is_about_us(reply.text):
        return Later(f"blocked_{reply.code}", down=True)
    if 500 <= reply.code < 600:
        return Refused(f"refused_{reply.code}", bounce=reply.code in _NOBODY)
    return Unsure(f"odd_reply_{reply.code}")


def _is_about_us(text: bytes) -> bool:
    """A server that blocks the sender says so with 5.7 (RFC 3463, 3.8), or in words: nobody's address is wrong then."""
    code = _ENHANCED.match(text)
    return code[1] == b"7" if code else _BLOCKED.search(text) is not None


@contextlib.contextmanager
def _no_longer_than(seconds: float, connection: smtplib.SMTP) -> Iterator[None]:
    """``smtplib`` has a limit for each read alone: a server that drips would hold us for ever."""

    def cut() -> None:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(2)  # type: ignore[union-attr]

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
