"""The four platforms and the AtCoder archive on one port, true in shape, wrong on demand.

``PUT /scenario/<platform>/<name>`` breaks a platform while the demonstration runs; ``ok`` mends it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from apps.codenotify.contest import Contest
from apps.demo import shapes
from apps.demo.faults import DATA, LINE, NAMES, Answer, Data

SITES = ("codeforces", "leetcode", "codechef", "atcoder", "kenkoooo")
Listing = Callable[[datetime], Sequence[Contest]]


@dataclass(frozen=True, slots=True)
class Request:
    """One that came in, for tests to look at."""

    site: str
    path: str
    headers: dict[str, str]


class ContestServer:
    """Shows the contests of ``listing`` as of ``clock``; a context manager."""

    def __init__(self, listing: Listing, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.listing, self.clock = listing, clock
        self.requests: list[Request] = []
        self.hang_s = 5.0
        self.instead: dict[str, bytes] = {}
        """What a site answers whatever it is asked, for tests of answers that nobody has thought of."""
        self._scenarios: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> ContestServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def url(self, site: str) -> str:
        return f"{self.root}/{site}"

    def show(self, *contests: Contest) -> None:
        self.listing = lambda _: contests

    def scenario(self, site: str, name: str) -> None:
        """Break ``site`` in the way of ``name``, or mend it with ``ok``. Raises ``ValueError`` for another name."""
        if site not in SITES or name not in NAMES:
            raise ValueError(f"platforms: {', '.join(SITES)}; scenarios: {', '.join(NAMES)}")
        with self._lock:
            self._scenarios[site], self._counts[site] = name, 0

    def asked(self, site: str) -> int:
        """How many requests the site has had."""
        return sum(request.site == site for request in self.requests)

    def answer(self, request: Request, body: Any) -> Answer:
        site = request.site
        with self._lock:
            self.requests.append(request)
            self._counts[site] += 1
            name, count = self._scenarios.get(site, "ok"), self._counts[site]
        answer = self._normal(request, body, name)
        return LINE[name](answer, count) if name in LINE else answer

    def wait(self) -> None:
        """Holds an answer back until nobody waits for it, or the server stops."""
        self._released.wait(self.hang_s)

    def _normal(self, request: Request, body: Any, name: str) -> Answer:
        if refusal := _refusal(request):
            return refusal
        if request.site in self.instead:
            return Answer(self.instead[request.site])
        text = self._body(request.site, body, name)
        page = request.site == "atcoder"
        answer = Answer(text.encode(), content_type="text/html" if page else "application/json")
        if request.site == "leetcode":
            return answer
        return _conditional(answer, request)

    def _body(self, site: str, body: Any, name: str) -> str:
        now = self.clock()
        spoil: Data = DATA.get(name, _as_they_are)
        platform = "atcoder" if site == "kenkoooo" else site
        mine = [contest for contest in self.listing(now) if contest.platform == platform]
        match site:
            case "codeforces":
                return shapes.codeforces_answer(spoil(shapes.codeforces_rows(mine, now)))
            case "leetcode":
                return shapes.leetcode_answer(spoil(shapes.leetcode_rows(mine, now)), body["operationName"])
            case "codechef":
                return shapes.codechef_answer(spoil(shapes.codechef_rows(mine, now)))
            case "atcoder":
                tables = ("action", "recent") if name == "missing-table" else ("action", "upcoming", "recent")
                return shapes.atcoder_answer(spoil(shapes.atcoder_rows(mine, now)), tables)
            case _:
                return json.dumps(spoil(shapes.archive_rows(mine, now)))


def _as_they_are(rows: shapes.Rows) -> shapes.Rows:
    return rows


def _refusal(request: Request) -> Answer | None:
    """What the real sites refuse: LeetCode a missing Referer, CodeChef a client that looks like a script."""
    headers = request.headers
    if request.site == "leetcode" and "referer" not in headers:
        return Answer(b"CSRF verification failed. Referer missing.", 403, content_type="text/html")
    if request.site == "codechef" and not headers.get("user-agent", "").startswith("Mozilla"):
        return Answer(b"Forbidden", 403, content_type="text/html")
    return None


def _conditional(answer: Answer, request: Request) -> Answer:
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
    if request.headers.get("if-none-match") == tag:
        return replace(answer, status=304, body=b"", headers={"ETag": tag})
    return replace(answer, headers={"ETag": tag})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: apart, each answer would wait 40 ms for an acknowledgement
    site: ContestServer

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_PUT(self) -> None:
        _, verb, site, name = [*self.path.split("/"), "", "", ""][:4]
        try:
            if verb != "scenario":
                raise ValueError("PUT /scenario/<platform>/<name>")  # noqa: TRY301
            self.site.scenario(site, name)
            self._send(Answer(f"{site}: {name}\n".encode(), content_type="text/plain"))
        except ValueError as error:
            self._send(Answer(f"{error}\n".encode(), 400, content_type="text/plain"))

    def _serve(self, body: Any) -> None:
        site = urlsplit(self.path).path.split("/")[1]
        headers = {name.lower(): value for name, value in self.headers.items()}
        if site not in SITES:
            self._send(Answer(b"no such platform\n", 404, content_type="text/plain"))
            return
        answer = self.site.answer(Request(site, self.path, headers), body)
        if answer.hang:
            self.site.wait()
        if answer.hang or answer.drop:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Type": answer.content_type}.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Tests and the demonstration have better things to show."""
