"""The provider behind WhatsApp and push: takes messages by POST, and knows a key that it has seen.

``requests`` is everything that came in; ``messages``, what a person would have seen.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SCENARIOS = {
    "ok": 200,
    "outage": 503,
    "gone": 410,
    "refuse-us": 401,
    "rate-limited": 429,
    "lose-answer": 0,
    "lose-request": 0,
}


@dataclass(frozen=True, slots=True)
class Hook:
    channel: str
    key: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class WebhookSink:
    """``honours_keys`` drops repeats; ``scenarios`` sets a channel's behaviour. A context manager.

    With a ``file``, every message is a line of JSON there too.
    """

    def __init__(self, file: Path | None = None, *, honours_keys: bool = True) -> None:
        self.honours_keys = honours_keys
        self._file = file
        self.scenarios: dict[str, str] = {}
        self.requests: list[Hook] = []
        self.messages: list[Hook] = []
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"sink": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> WebhookSink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, channel: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{channel}"

    def of(self, channel: str) -> list[Hook]:
        return [hook for hook in self.messages if hook.channel == channel]

    def take(self, hook: Hook) -> str:
        """Records a request; returns the scenario that decides the answer."""
        scenario = self.scenarios.get(hook.channel, "ok")
        with self._lock:
            self.requests.append(hook)
            repeated = self.honours_keys and (hook.channel, hook.key) in self._seen
            if scenario in {"ok", "lose-answer"} and not repeated:
                self._seen.add((hook.channel, hook.key))
                self.messages.append(hook)
                self._write(hook)
        return scenario

    def _write(self, hook: Hook) -> None:
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(asdict(hook)) + "\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: apart, each answer would wait 40 ms for an acknowledgement
    sink: WebhookSink

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Idempotency-Key", "")
        scenario = self.sink.take(Hook(self.path.strip("/"), key, body, dict(self.headers.items())))
        if scenario.startswith("lose"):
            self.close_connection = True
            return
        answer = json.dumps({"id": f"msg-{key}"}).encode()
        self.send_response(SCENARIOS[scenario])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        if scenario == "rate-limited":
            self.send_header("Retry-After", "3600")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """What came in is in ``requests``."""
