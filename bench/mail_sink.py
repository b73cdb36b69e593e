"""A mail server that takes everything, as fast as Python can: in a process of its own, with PIPELINING (RFC 2920).

``python -m bench.mail_sink FILE`` prints its port, and appends the Message-ID of each mail to the file, a line each,
before it says that it has it. A mail whose Message-ID it has seen is taken, and dropped.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

_ID = re.compile(rb"(?im)^message-id:\s*(\S+)")
GREETING = b"220 sink\r\n"
LINE = 80
EHLO = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Session(asyncio.Protocol):
    def __init__(self, file: int, seen: set[bytes]) -> None:
        self._file, self._seen = file, seen
        self._rest = b""
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        answers: list[bytes] = []
        while self._mail(answers) if self._in_mail else self._command(answers):
            pass
        if answers:
            self._transport.write(b"".join(answers))

    def _command(self, answers: list[bytes]) -> bool:
        line, end, rest = self._rest.partition(b"\r\n")
        if not end:
            return False
        self._rest = rest
        word = line[:4].upper()
        if word == b"DATA":
            self._in_mail = True
            answers.append(b"354 go on\r\n")
        elif word == b"QUIT":
            answers.append(b"221 bye\r\n")
        else:
            answers.append(EHLO if word == b"EHLO" else b"250 ok\r\n")
        return True

    def _mail(self, answers: list[bytes]) -> bool:
        mail, end, rest = self._rest.partition(b"\r\n.\r\n")
        if not end:
            return False
        self._rest, self._in_mail = rest, False
        found = _ID.search(mail)
        name = found[1] if found else b"-"
        if name not in self._seen:
            self._seen.add(name)
            os.write(self._file, name.ljust(LINE - 1) + b"\n")
        answers.append(b"250 taken\r\n")
        return True


async def main(path: str) -> None:
    seen: set[bytes] = set()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    server = await asyncio.get_running_loop().create_server(lambda: Session(file, seen), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
