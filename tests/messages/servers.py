"""A real mail server and a real provider on the loopback, which answer as a test wants them to."""

from __future__ import annotations

import json
import threading
from asyncio import Server, WriteTransport
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

Answer = Callable[[str], str | None]
"""What is said about an address, or None: as usual. ``lose`` breaks the connection instead."""


class Mailbox:
    """``at_rcpt``, ``at_data`` decide about single addresses; ``keys``: a Message-ID that was seen is dropped."""

    def __init__(self, *, pipelining: bool = True, keys: bool = False) -> None:
        self.at_mail: Answer = lambda _: None
        self.at_rcpt: Answer = lambda _: None
        self.at_data: Answer = lambda _: None
        self.before_answer: Callable[[str], None] = lambda _: None
        self.taken: list[tuple[str, bytes]] = []
        self.connections = 0
        self.pipelining, self._keys, self._seen = pipelining, keys, set[str]()
        self._controller = _Controller(self, hostname="127.0.0.1", port=0)

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return self._controller.bound_port

    @property
    def to(self) -> list[str]:
        return sorted(address for address, _ in self.taken)

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=default) for _, content in self.taken]  # type: ignore[misc]

    def take(self, address: str, content: bytes) -> None:
        name = str(message_from_bytes(content)["Message-ID"])
        if not self._keys or name not in self._seen:
            self._seen.add(name)
            self.taken.append((address, content))


class _Handler:
    def __init__(self, box: Mailbox) -> None:
        self._box = box

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, replies: list[str]
    ) -> Any:
        session.host_name = hostname
        return [*replies[:-1], "250-PIPELINING", replies[-1]] if self._box.pipelining else replies

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        envelope.mail_from = address
        return self._answer(server, self._box.at_mail(address))

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answer = self._answer(server, self._box.at_rcpt(address))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        [address] = envelope.rcpt_tos
        answer = self._box.at_data(address)
        if answer in {None, "lose"}:
            self._box.take(address, envelope.original_content)
        self._box.before_answer(address)
        return self._answer(server, answer)

    def _answer(self, server: Any, given: str | None) -> str:
        if given == "lose" and isinstance(server.transport, WriteTransport):
            server.transport.abort()
        return given if given is not None and given != "lose" else "250 ok"


class _Controller(Controller):
    def __init__(self, box: Mailbox, **options: Any) -> None:
        self._box = box
        super().__init__(_Handler(box), **options)

    @property
    def bound_port(self) -> int:
        assert isinstance(self.server, Server)
        return int(self.server.sockets[0].getsockname()[1])

    def factory(self) -> SMTP:
        self._box.connections += 1
        made: SMTP = super().factory()  # type: ignore[no-untyped-call]
        return made

    def _trigger_server(self) -> None:
        self.port = self.bound_port
        super()._trigger_server()  # type: ignore[no-untyped-call]


class Call(NamedTuple):
    key: str
    body: Any
    headers: Mapping[str, str]


class Provider:
    """``answer`` makes status, headers and body of a call; the default takes all, and a repeated key once."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.taken: dict[str, Any] = {}
        """What people would have got, by key of the call."""
        self.answer: Callable[[Call], tuple[int, dict[str, str], bytes] | None] = self.take
        handler = type("Handler", (_Http,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/mails"

    @property
    def to(self) -> list[str]:
        return sorted(mail["to"][0] for body in self.taken.values() for mail in body)

    def take(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        self.taken.setdefault(call.key, call.body)
        count = len(call.body) if isinstance(call.body, list) else 1
        ids = {"data": [{"id": f"{call.key}/{number}"} for number in range(count)], "id": f"{call.key}/0"}
        return 200, {}, json.dumps(ids).encode()


class _Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    provider: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = Call(self.headers.get("Idempotency-Key", ""), json.loads(body), {**self.headers, "raw": body.decode()})
        self.provider.calls.append(call)
        answer = self.provider.answer(call)
        if answer is None:  # the connection breaks
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...
