"""A campaign of many mails: what all contenders send, to whom, and the server that takes it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.mail_sink import LINE

SENDER = "Shop <news@shop.example>"
TEXT = """{% block subject %}News for {{ name }}{% endblock %}
{% block body %}
Hello {{ name }},

there is something new for you, since {{ since | local(zone) }}.

Stop these mails: {{ unsubscribe_url }}
{% endblock %}
"""
HTML = """<p>Hello {{ name }},</p>
<p>there is <b>something new</b> for you, since {{ since | local(zone) }}.</p>
<p><a href="{{ unsubscribe_url }}">Stop these mails</a></p>
"""


class Sink:
    """``bench.mail_sink`` in a process of its own, and what it has taken."""

    def __init__(self, port: int, file: Path) -> None:
        self.port, self._file = port, file

    def count(self) -> int:
        return self._file.stat().st_size // LINE

    def reached(self, count: int, patience: float = 280.0) -> None:
        give_up_at = time.monotonic() + patience
        while self.count() < count:
            if time.monotonic() > give_up_at:
                raise SystemExit(f"only {self.count()} of {count} mails came")
            time.sleep(0.005)

    def ids(self) -> list[bytes]:
        return self._file.read_bytes().split()


@contextmanager
def sink() -> Iterator[Sink]:
    with tempfile.TemporaryDirectory(prefix="rota-bench-") as folder:
        file = Path(folder) / "taken"
        file.touch()
        command = [sys.executable, "-m", "bench.mail_sink", str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield Sink(int(server.stdout.readline()), file)
            finally:
                server.kill()


def people(count: int) -> Iterator[dict[str, object]]:
    zones = ("Europe/Paris", "America/New_York", "UTC")
    for number in range(count):
        yield {
            "id": number,
            "email": f"person{number:07}@example.org",
            "name": f"Person {number:07}",
            "zone": zones[number % len(zones)],
        }
