"""A small answer for load balancers and supervisors: is this process alive, can it work?"""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING

from rota.errors import ConfigError
from rota.explain.checks import reachable

if TYPE_CHECKING:
    from rota.app.application import Rota

logger = logging.getLogger("rota.health")


class HealthServer:
    """Answers ``/healthz`` (this process lives) and ``/readyz`` (the database answers), while its ``with`` lasts.

    Without a port it does nothing. It tells no more than a word, so that a stranger learns nothing.
    """

    def __init__(self, app: Rota, host: str, port: int | None) -> None:
        self._app = app
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> HealthServer:
        """Raises ``ConfigError`` if the port is taken."""
        host, port = self._address
        if port is None:
            return self
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(self._app))
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


def _handler(app: Rota) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(200, "alive")
            elif self.path == "/readyz":
                self._answer(*_ready(app))
            else:
                self._answer(404, "not found")

        def _answer(self, code: int, word: str) -> None:
            body = json.dumps({"status": word}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
            logger.debug(format, *args)

    return Handler


def _ready(app: Rota) -> tuple[int, str]:
    found = reachable(app.store)
    return (503, found[0].kind.replace("_", " ")) if found else (200, "ready")
