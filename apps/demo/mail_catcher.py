"""A mail server that keeps every message as a file and delivers none.

The directory holds one ``.eml`` file a message, as it came, and ``index.jsonl``: one line a message with its file,
recipient, subject and Message-ID.
"""

from __future__ import annotations

import json
import threading
from asyncio import Server, WriteTransport
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

SCENARIOS = ("ok", "outage", "hard-bounce", "soft-bounce", "refuse-data", "lose-answer")


class MailCatcher:
    """``scenario`` decides about the next mails; ``bouncing``, about single addresses. A context manager.

    ``lose-answer`` takes a mail and breaks the connection before it says so.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.scenario = "ok"
        self.bouncing: dict[str, str] = {}
        self.connections = 0
        self.count = 0
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        self._controller = _Controller(self, hostname="127.0.0.1", port=0)

    def __enter__(self) -> MailCatcher:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return self._controller.bound_port

    @property
    def mails(self) -> list[Message]:
        """Every mail caught, oldest first."""
        files = sorted(self.directory.glob("*.eml"))
        return [message_from_bytes(file.read_bytes(), policy=default) for file in files]

    @property
    def recipients(self) -> list[str]:
        """Who got mail, one entry a mail, sorted: mails that are sent together come in any order."""
        return sorted(entry["to"] for entry in self.index())

    def index(self) -> list[dict[str, Any]]:
        path = self.directory / "index.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def fate(self, recipient: str) -> str:
        return self.bouncing.get(recipient, self.scenario)

    def keep(self, envelope: Envelope) -> None:
        content = envelope.original_content or b""
        mail = BytesHeaderParser().parsebytes(content)
        subject = str(make_header(decode_header(mail["Subject"] or "")))
        with self._lock:
            self.count += 1
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{self.count:06}.eml"
            (self.directory / name).write_bytes(content)
            for recipient in envelope.rcpt_tos:
                entry = {"file": name, "to": recipient, "subject": subject, "id": mail["Message-ID"]}
                with (self.directory / "index.jsonl").open("a") as index:
                    index.write(json.dumps(entry) + "\n")


class _Handler:
    """The answers of aiosmtpd's hooks are what goes over the wire."""

    def __init__(self, catcher: MailCatcher) -> None:
        self._catcher = catcher

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._catcher.scenario == "outage":
            return "421 Service not available"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        fate = self._catcher.fate(address)
        if fate == "hard-bounce":
            return "550 No such mailbox"
        if fate == "soft-bounce":
            return "450 Mailbox busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        fates = {self._catcher.fate(address) for address in envelope.rcpt_tos}
        if "refuse-data" in fates:
            return "554 Message refused"
        self._catcher.keep(envelope)
        if "lose-answer" in fates and isinstance(server.transport, WriteTransport):
            server.transport.abort()
        return "250 Caught"


class _Controller(Controller):
    def __init__(self, catcher: MailCatcher, **options: Any) -> None:
        self._catcher = catcher
        super().__init__(_Handler(catcher), **options)

    @property
    def bound_port(self) -> int:
        """The port that the system chose for port 0."""
        if not isinstance(self.server, Server):
            raise TypeError("the catcher is not running")
        return int(self.server.sockets[0].getsockname()[1])

    def factory(self) -> SMTP:
        self._catcher.connections += 1
        made: SMTP = super().factory()  # type: ignore[no-untyped-call]
        return made

    def _trigger_server(self) -> None:
        """The base class knocks to see whether anybody is there, and would do so at port 0."""
        self.port = self.bound_port
        super()._trigger_server()  # type: ignore[no-untyped-call]
