"""A small answer for load balancers and supervisors: is this process alive, can it work?"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import TYPE_CHECKING

from rota.errors import ConfigError, RotaError
from rota.explain.checks import unreachable

if TYPE_CHECKING:
    from rota.app.application import Rota

logger = logging.getLogger("rota.health")
MOST_CONNECTIONS = 16
"""Beyond so many, the oldest one is closed."""
CONNECTION_SECONDS = 5.0
"""So long a connection may take for its question and its answer."""
READY_SECONDS = 2.0
"""A database that takes longer to answer is away."""


class HealthServer:
    """Answers ``/healthz`` (this process lives) and ``/readyz`` (it can work), while its ``with`` lasts.

    Without a port it does nothing. It tells no more than a word, so that a stranger learns nothing. ``hanging`` names
    what stands still in this process: then it is neither alive nor ready.
    """

    def __init__(self, app: Rota, host: str, port: int | None, hanging: Callable[[], Sequence[str]] = tuple) -> None:
        self._readiness = _Readiness(app)
        self._hanging = hanging
        self._address = (host, port)
        self._server: _Server | None = None

    def __enter__(self) -> HealthServer:
        """Raises ``ConfigError`` if the port is taken."""
        host, port = self._address
        if port is None:
            return self
        try:
            self._server = _Server((host, port), _handler(self._look))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                hint="Give another one with --port, or 0 for any free one.",
            ) from error
        logger.info("health on http://%s:%d/healthz", host, self._server.server_port)
        threading.Thread(target=self._server.serve_forever, name="rota-health", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _look(self, path: str) -> tuple[int, str]:
        if path not in {"/healthz", "/readyz"}:
            return 404, "not found"
        if hanging := self._hanging():
            return 503, f"standing still: {', '.join(hanging)}"
        return (200, "alive") if path == "/healthz" else self._readiness.look()


class _Readiness:
    """Whether the database answers, with a ledger that is not held: asked once at a time, however many want to know."""

    def __init__(self, app: Rota) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._answer = (503, "database unreachable")

    def look(self) -> tuple[int, str]:
        with self._lock:
            asking = self._asking
            if asking is None or not asking.is_alive():
                asking = self._asking = threading.Thread(target=self._ask, name="rota-ready", daemon=True)
                asking.start()
        asking.join(READY_SECONDS)
        return (503, "database unreachable") if asking.is_alive() else self._answer

    def _ask(self) -> None:
        try:
            self._answer = (200, "ready") if self._app.passport().fits else (503, "held")
        except RotaError as error:
            self._answer = (503, unreachable(error).kind.replace("_", " "))


class _Server(HTTPServer):
    """A thread for each connection, of which there are only so many, each only for so long."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[socket.socket, float] = {}
        super().__init__(address, handler)

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        while len(self._open) >= MOST_CONNECTIONS:
            self._drop(next(iter(self._open)))
        self._open[request] = time.monotonic()
        threading.Thread(target=self._serve, args=(request, client_address), daemon=True).start()

    def service_actions(self) -> None:
        """Called twice a second, whatever comes in."""
        now = time.monotonic()
        for request, since in list(self._open.items()):
            if now - since > CONNECTION_SECONDS:
                self._drop(request)

    def server_close(self) -> None:
        super().server_close()
        for request in list(self._open):
            self._drop(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - as the library calls it
        logger.debug("a connection broke off", exc_info=True)

    def _serve(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - a stranger's connection
            self.handle_error(request, client_address)
        finally:
            self._open.pop(request, None)
            self.shutdown_request(request)

    def _drop(self, request: socket.socket) -> None:
        """Its thread reads the end of it, and closes it."""
        self._open.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


def _handler(look: Callable[[str], tuple[int, str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CONNECTION_SECONDS

        def do_GET(self) -> None:
            code, word = look(self.path)
            body = json.dumps({"status": word}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
            logger.debug(format, *args)

    return Handler
