"""A process that has used Rota, and then forks: each child opens its own connections, and waits for no lock of a thread
that it does not have.
"""

from __future__ import annotations

import ctypes
import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from rota import Rota
from rota.errors import RotaError
from rota.model.node import NodeSettings
from tests.servers import free_port

EACH = 20
CHILDREN = 4
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def declared(url: str) -> Rota:
    app = Rota(url)
    app.job("mail")(lambda number: number)
    return app


@pytest.fixture
def app(database_url: str) -> Iterator[Rota]:
    app = declared(database_url)
    app.prepare()
    yield app
    app.close()


def enqueue(app: Rota) -> None:
    for number in range(EACH):
        app.enqueue("mail", number=number)


def in_child(app: Rota, fork: Callable[[], int] = os.fork) -> int:
    """Fork, and enqueue there; a child that hangs is ended by the alarm."""
    pid = fork()
    if pid == 0:
        signal.alarm(20)
        code = 1
        try:
            enqueue(app)
            code = 0
        finally:
            os._exit(code)
    return pid


def ends(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def test_a_fork_that_python_is_not_told_of_is_noticed(postgres_url: str) -> None:
    """As uWSGI does it, in C."""
    app = declared(postgres_url)
    app.prepare()
    enqueue(app)

    pids = [in_child(app, ctypes.PyDLL(None).fork) for _ in range(CHILDREN)]
    enqueue(app)

    assert ends(pids) == [0] * CHILDREN
    assert len(app.runs.page(limit=1_000)) == EACH * (CHILDREN + 2)
    app.close()


def test_children_and_their_parent_enqueue_side_by_side(app: Rota) -> None:
    stop = threading.Event()

    def busy() -> None:
        """Has locks in its hands at almost any moment."""
        while not stop.is_set():
            with app.store.write():
                pass
            stop.wait(0.001)  # a file has one writer, and no queue among processes

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    pids = [in_child(app) for _ in range(CHILDREN)]
    enqueue(app)
    codes = ends(pids)
    stop.set()
    for thread in threads:
        thread.join()

    assert codes == [0] * CHILDREN
    assert len(app.runs.page(limit=1_000)) == EACH * (CHILDREN + 1)


def test_a_node_in_the_parent_goes_on_and_its_children_enqueue(app: Rota) -> None:
    told: list[int | None] = []
    app.on("run.succeeded")(lambda event: told.append(event.run_id))

    with app.running(NodeSettings(threads=2, poll=0.1)):
        enqueue(app)
        assert ends([in_child(app) for _ in range(CHILDREN)]) == [0] * CHILDREN
        give_up_at = time.monotonic() + 20
        while len(told) < EACH * (CHILDREN + 1) and time.monotonic() < give_up_at:
            threading.Event().wait(0.01)

    assert len(set(told)) == EACH * (CHILDREN + 1)


def enqueue_at(url: str) -> None:
    app = declared(url)
    enqueue(app)
    app.close()


def test_a_fork_server_is_as_good(app: Rota, database_url: str) -> None:
    enqueue(app)
    started = [multiprocessing.get_context("forkserver").Process(target=enqueue_at, args=(database_url,)) for _ in "ab"]
    for process in started:
        process.start()
    for process in started:
        process.join(60)

    assert [process.exitcode for process in started] == [0, 0]
    assert len(app.runs.page(limit=1_000)) == EACH * 3


SITE = """
from rota import Rota

rota = Rota({url!r})
rota.job("mail")(lambda number: number)
rota.prepare()
rota.enqueue("mail", number=0)


def site(environ, start_response):
    handle = rota.enqueue("mail", number=1)
    start_response("200 OK", [])
    return [str(handle.id).encode()]
"""


@pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed")
def test_an_application_that_gunicorn_loads_before_it_forks(app: Rota, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "preloaded.py").write_text(SITE.format(url=database_url))
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "3", "-b", f"127.0.0.1:{port}", "preloaded:site"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        asked = [answered(f"http://127.0.0.1:{port}/", tmp_path / "log") for _ in range(30)]
    finally:
        server.terminate()
        server.wait(60)

    assert len(set(asked)) == 30
    assert {run.id for run in app.runs.page(limit=1_000)} > set(asked)


def answered(url: str, log: Path) -> int:
    give_up_at = time.monotonic() + 30
    while True:
        try:
            with urlopen(url, timeout=10) as answer:
                return int(answer.read())
        except (OSError, RotaError):
            if time.monotonic() > give_up_at:
                raise AssertionError(log.read_text()) from None
            threading.Event().wait(0.05)
