"""The pages behind the links in messages, on this machine: ``python -m apps.codenotify.links [PORT]``.

A GET shows what a button would do, and does nothing: mail scanners follow links. A POST does it, whether it comes from
the button or, for unsubscribing, from a mail program with one click (RFC 8058). A link works without a login, and for
one person only.
"""

from __future__ import annotations

import hmac
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Engine

from apps.codenotify import people
from apps.codenotify.letters import PLATFORM_NAMES
from apps.codenotify.settings import Settings
from apps.codenotify.tables import open_database
from apps.codenotify.tokens import Purpose, token
from apps.codenotify.wishes import ADDRESS_COLUMNS, LEAST_HOURS, MOST_HOURS

Query = Mapping[str, list[str]]
FREQUENCIES = {"immediate": "A message for each contest", "daily": "One a day", "weekly": "One a week"}
_CHANNELS = {"email": "Mail", "whatsapp": "WhatsApp", "push": "Push", "discord": "Discord", "telegram": "Telegram"}
_MOST_BYTES, _SECONDS = 64 * 1024, 10.0
_page = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
).get_template("page.html")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    title: str
    text: str
    button: str = ""
    choices: Mapping[str, Any] | None = None

    @property
    def page(self) -> bytes:
        names = {"title": self.title, "text": self.text, "button": self.button, "choices": self.choices}
        return _page.render(names, frequencies=FREQUENCIES, platforms=PLATFORM_NAMES, channels=_CHANNELS).encode()


_NOT_OURS = Answer(403, "This link does not work", "It is not whole, or was made for somebody else.")
_NOWHERE = Answer(404, "There is nothing here", "Use the links of a mail as they are.")
_UNREADABLE = Answer(400, "That cannot be kept", "Choose a frequency, and from 1 to 168 hours.")


class Pages:
    """What a request is answered; the database is opened by the first one that needs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = threading.Lock()

    @cached_property
    def _engine_once(self) -> Engine:
        return open_database(self._settings)

    @property
    def engine(self) -> Engine:
        with self._open:
            return self._engine_once

    def answer(self, path: str, query: Query, form: Query | None) -> Answer:
        """``form`` is None for a GET."""
        pages: dict[str, tuple[Purpose, Callable[[int, Query | None], Answer]]] = {
            "/unsubscribe": ("unsubscribe", self._unsubscribe),
            "/keep": ("keep", self._keep),
            "/preferences": ("preferences", self._preferences),
        }
        if path not in pages:
            return _NOWHERE
        purpose, page = pages[path]
        user, given = query.get("user", [""])[0], query.get("token", [""])[0]
        if not (user.isascii() and user.isdigit() and len(user) < 19):
            return _NOT_OURS
        right = token(self._settings, purpose, int(user))
        is_theirs = hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
        return page(int(user), form) if is_theirs else _NOT_OURS

    def _unsubscribe(self, user: int, form: Query | None) -> Answer:
        if form is None:
            return Answer(200, "No more mails?", "You will get no mail from CodeNotify any more.", "Unsubscribe")
        people.unsubscribe(self.engine, user)
        return Answer(200, "You are unsubscribed", "You get no mail any more. Your other channels are as they were.")

    def _keep(self, user: int, form: Query | None) -> Answer:
        if form is None:
            return Answer(200, "Keep your account?", "It stays as it is, and you go on hearing of contests.", "Keep it")
        people.record_activity(self.engine, user, datetime.now(UTC))
        return Answer(200, "Your account is kept", "You go on hearing of contests as before.")

    def _preferences(self, user: int, form: Query | None) -> Answer:
        now = people.preferences(self.engine, user)
        if now is None:
            return _NOT_OURS
        if form is None:
            return Answer(200, "What you get", "Choose, and save.", "Save", _shown(now))
        chosen = _chosen(form, now.channels)
        if chosen is None:
            return _UNREADABLE
        people.choose(self.engine, user, chosen)
        people.record_activity(self.engine, user, datetime.now(UTC))
        return Answer(200, "Saved", "It holds from the next message on.")


def _shown(row: Any) -> dict[str, Any]:
    channels = row.channels if isinstance(row.channels, dict) else {}
    return {
        "alert_frequency": row.alert_frequency,
        "notify_before_hours": min(max(row.notify_before_hours, LEAST_HOURS), MOST_HOURS),
        "platforms": row.platforms if isinstance(row.platforms, list) else [],
        "channels": [name for name, on in channels.items() if on is True],
    }


def _chosen(form: Query, channels: Any) -> dict[str, Any] | None:
    """None where a value is none of those that there are."""
    [frequency], [hours] = form.get("alert_frequency", [""])[:1], form.get("notify_before_hours", [""])[:1]
    if frequency not in FREQUENCIES or not (hours.isascii() and hours.isdigit() and len(hours) < 4):
        return None
    if not LEAST_HOURS <= int(hours) <= MOST_HOURS:
        return None
    others = channels if isinstance(channels, dict) else {}
    return {
        "alert_frequency": frequency,
        "notify_before_hours": int(hours),
        "platforms": [name for name in PLATFORM_NAMES if name in form.get("platforms", [])],
        "channels": {**others, **{name: name in form.get("channels", []) for name in ADDRESS_COLUMNS}},
    }


class LinkServer:
    """The pages on a port of this machine; 0 is a free one. A context manager."""

    def __init__(self, settings: Callable[[], Settings] = Settings.from_env, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"made": settings, "pages": None, "timeout": _SECONDS})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> LinkServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    made: Callable[[], Settings]
    pages: Pages | None

    def do_GET(self) -> None:
        self._give(None)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length[:9]) <= _MOST_BYTES):
            self.close_connection = True
            self._write(_UNREADABLE)
            return
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        self._give(parse_qs(body))

    def _give(self, form: Query | None) -> None:
        cls = type(self)
        if cls.pages is None:
            cls.pages = Pages(cls.made())
        parts = urlsplit(self.path)
        try:
            self._write(cls.pages.answer(parts.path.rstrip("/"), parse_qs(parts.query), form))
        except Exception:
            self._write(Answer(500, "That did not work", "Nothing was changed. Please try again in a minute."))
            raise

    def _write(self, answer: Answer) -> None:
        page = answer.page
        self.send_response(answer.status)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(page)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # the address holds a token
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Addresses hold tokens: nothing is logged."""


if __name__ == "__main__":
    with LinkServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8025) as server:
        sys.stdout.write(f"The pages of links in mails: {server.url} (set PUBLIC_URL to it). Ctrl-C ends it.\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
