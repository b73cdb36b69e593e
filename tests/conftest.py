"""What every test may ask for, and how a run of all of them is spread over workers."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.scratch import scratch
from tests.servers import Databases, postgres, valkey

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
"""Workers and hundreds of processes under test import the same modules, which would be compiled each time."""
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch()))
"""Where ``tmp_path`` is."""
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)
"""A shell's background, and nohup, ignore them; processes under test would inherit that."""


MOST_WORKERS = 8


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two to a core, as many tests wait; none for a few files or names, as a worker takes seconds to start."""
    few = any(".py" in each for each in config.invocation_params.args) or bool(config.option.keyword)
    return 0 if few else min(2 * (os.cpu_count() or 1), MOST_WORKERS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In parallel, the long ones begin first: at the end, all would wait for the last of them."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Thousands of tests live until the end: the collector need not visit them again and again."""
    gc.collect()
    gc.freeze()


SERVER = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All workers of xdist share one server, which the process that starts them starts before and ends after them."""
    config: pytest.Config = node.config
    if SERVER not in config.stash:
        server = ExitStack()
        config.add_cleanup(server.close)
        config.stash[SERVER] = server.enter_context(postgres())
    node.workerinput["postgres_server"] = config.stash[SERVER]


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a running PostgreSQL server's own database; for an empty one, ask for ``postgres_url``."""
    shared = getattr(request.config, "workerinput", {})
    with nullcontext(shared["postgres_server"]) if shared else postgres() as url:
        yield url


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[Databases]:
    databases = Databases(postgres_server)
    yield databases
    databases.close()


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own."""
    with databases.lend() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[tuple[str, int]]:
    """Host and port of a Valkey server; for an empty one, ask for ``valkey_port``."""
    with valkey() as address:
        yield address


@pytest.fixture
def valkey_port(valkey_server: tuple[str, int]) -> int:
    """The port of an empty Valkey server on this machine."""
    from redis import Redis

    host, port = valkey_server
    with Redis(host=host, port=port) as client:
        client.flushall()
    return port


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database of the test's own; the file does not exist yet."""
    return f"sqlite:///{tmp_path / 'rota.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, once of each kind: a test that asks for it runs on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tests log odd text, which a report that goes from one process to another must be able to hold."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
