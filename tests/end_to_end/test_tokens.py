"""No two bodies begin under one token, also where the server crashes with claims that are not on its disk."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.end_to_end.processes import nodes, open_app, until
from tests.servers import fresh_database, postgres

pytestmark = pytest.mark.long

CRASHES = int(os.environ.get("CRASHES", "4"))
"""Of the server; each takes a second or two."""


def begun(notes: Path) -> list[str]:
    return notes.read_text().splitlines() if notes.exists() else []


def test_a_token_is_never_given_out_twice_however_the_server_crashes(tmp_path: Path) -> None:
    notes, log = tmp_path / "notes", tmp_path / "log"
    with postgres(fsync=True) as server, fresh_database(server) as url:
        app = open_app(url)
        app.handles["notes its token"].enqueue_many({"number": number} for number in range(60 * CRASHES))
        app.close()
        settings = {"NOTES": str(notes), "ROTA_LEASE__DURATION": "4", "ROTA_LEASE__HEARTBEAT": "1"}
        with nodes(url, 1, log, "--threads", "8", **settings):
            for _ in range(CRASHES):
                seen = len(begun(notes))
                until("a body begins", lambda seen=seen: len(begun(notes)) > seen, 60, log)
                kill_a_backend(url)
            seen = len(begun(notes))
            until("the node is at work again", lambda: len(begun(notes)) > seen + 16, 60, log)

    tokens = Counter(line for line in begun(notes))
    assert [token for token, count in tokens.items() if count > 1] == []


def kill_a_backend(url: str) -> None:
    """So that the server takes its memory for broken, and starts anew from what is on its disk."""
    pid = 0

    def found() -> bool:
        nonlocal pid
        with suppress(psycopg.OperationalError), psycopg.connect(url) as connection:
            pid = connection.info.backend_pid
            os.kill(pid, signal.SIGKILL)
        return pid > 0

    until("the server answers", found)
