"""A proxy on the loopback between a client and a PostgreSQL, which can fall silent, cut, and swallow answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

COMMIT = b"COMMIT\0"


class Proxy:
    """``silent``: it passes no bytes, and resets nothing. ``lose_commits``: that many answers to a COMMIT are cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{self.port}"))
        self.lose_commits = 0
        self.lost = 0
        self._talking = threading.Event()
        self._talking.set()
        self._frozen: set[socket.socket] = set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._listener.close()
        self._talking.set()
        self.cut()

    def silence(self) -> None:
        """From now on nothing passes, on connections old and new."""
        self._talking.clear()

    def freeze(self) -> None:
        """The connections there are stay silent for good; new ones work: as a firewall that forgot them."""
        with self._lock:
            self._frozen |= {each for pair in self._pairs for each in pair}

    def resume(self) -> None:
        """New connections work; those from before stay silent."""
        self.freeze()
        self._talking.set()

    def cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _shut(*pair)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._talking.wait()
        try:
            server = socket.create_connection(self._target)
        except OSError:
            _shut(client)
            return
        with self._lock:
            self._pairs.append((client, server))
        losing = threading.Event()
        threading.Thread(target=self._pass, args=(server, client, losing, False), daemon=True).start()
        self._pass(client, server, losing, True)

    def _pass(self, source: socket.socket, target: socket.socket, losing: threading.Event, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if asking and self._loses(data):
                    losing.set()
                elif not asking and losing.is_set():
                    break
                if source in self._frozen:
                    continue
                self._talking.wait()
                if source not in self._frozen:
                    target.sendall(data)
        if source not in self._frozen:
            _shut(source, target)

    def _loses(self, data: bytes) -> bool:
        with self._lock:
            if self.lose_commits < 1 or COMMIT not in data:
                return False
            self.lose_commits -= 1
            self.lost += 1
            return True


def _shut(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
