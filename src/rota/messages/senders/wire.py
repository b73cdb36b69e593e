"""One SMTP connection after its greeting: commands out, replies in, each reply within a deadline as a whole."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

_LEADING_DOT = re.compile(rb"(?m)^\.")
_MOST_BYTES = 64 * 1024
"""Of one reply; whoever says more means something else."""


class Broken(Exception):  # noqa: N818 - what happened to the connection
    """The connection can be used no more; ``why`` is one word for reports."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Reply(NamedTuple):
    code: int
    text: bytes = b""
    """Of its last line."""

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


class Wire:
    """``pipelines``: the server takes several commands in one packet."""

    def __init__(self, connection: smtplib.SMTP, timeout: float) -> None:
        assert connection.sock is not None  # noqa: S101 - it has greeted
        self.pipelines = connection.has_extn("pipelining")
        self.was_used = False
        """A mail went over it: the server may have had enough since."""
        self._connection = connection
        self._socket: socket.socket = connection.sock
        self._timeout = timeout
        self._rest = b""
        self._waiting: list[bytes] = []
        """Commands that a server which does not pipeline gets one by one."""
        self._hurries = False
        """The socket has less time than usual: a reply has come in part."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def commands(self, lines: Sequence[bytes]) -> None:
        """Say these; ``replies`` has the answers. Raises ``Broken``."""
        if self.pipelines:
            self._send(b"\r\n".join([*lines, b""]))
        else:
            self._waiting = list(lines)

    def replies(self, count: int) -> list[Reply]:
        """Of a server that does not pipeline, commands after a refusal are not said, and share its reply."""
        if not self._waiting:
            return [self._reply() for _ in range(count)]
        said: list[Reply] = []
        for line in self._waiting:
            if not said or said[-1].code < 400:
                self._send(line + b"\r\n")
                said.append(self._reply())
            else:
                said.append(said[-1])
        self._waiting = []
        return said

    def content(self, mail: bytes, follows: Sequence[bytes]) -> Reply:
        """Give the mail, and in the same packet the commands that follow it; the reply to the mail.

        Raises ``Broken``: then nobody knows whether the server has it.
        """
        if mail:
            if b"\n." in mail or mail.startswith(b"."):
                mail = _LEADING_DOT.sub(b"..", mail)
            if not mail.endswith(b"\r\n"):
                mail += b"\r\n"
        self.was_used = True
        self._send(b"\r\n".join([mail + b".", *follows, b""]))
        return self._reply()

    def reset(self) -> bool:
        """Whether the connection is fit for another mail."""
        return self._reply_or_none(b"RSET\r\n")

    def quit(self) -> None:
        self._reply_or_none(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        self._connection.close()

    def _reply_or_none(self, line: bytes) -> bool:
        try:
            self._send(line)
            return self._reply().ok
        except Broken:
            return False

    def _send(self, data: bytes) -> None:
        try:
            if self._hurries:
                self._hurries = False
                self._socket.settimeout(self._timeout)
            self._socket.sendall(data)
        except OSError as error:
            raise Broken(f"connection:{type(error).__name__}") from error

    def _reply(self) -> Reply:
        deadline = time.monotonic() + self._timeout
        size = 0
        while True:
            line = self._line(deadline)
            size += len(line)
            if len(line) < 3 or not line[:3].isdigit() or size > _MOST_BYTES:
                raise Broken("no_smtp")
            if line[3:4] != b"-":
                return Reply(int(line[:3]), line[4:])

    def _line(self, deadline: float) -> bytes:
        while True:
            line, end, rest = self._rest.partition(b"\n")
            if end:
                self._rest = rest
                return line
            if len(line) > _MOST_BYTES:
                raise Broken("no_smtp")
            self._rest += self._receive(deadline)

    def _receive(self, deadline: float) -> bytes:
        try:
            if self._rest:
                self._hurries = True
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self._socket.recv(65_536)
        except TimeoutError as error:
            raise Broken("timeout") from error
        except OSError as error:
            raise Broken(f"connection:{type(error).__name__}") from error
        if not data:
            raise Broken("connection:closed")
        return data
