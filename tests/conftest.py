"""What every test may ask for, and how a run of all of them is spread over workers."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from tests.compiled import compiled_once
from tests.scratch import scratch
from tests.servers import Databases, Make, postgres, valkey

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


@pytest.fixture(scope="session", autouse=True)
def statements() -> Iterator[None]:
    with compiled_once():
        yield


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


@pytest.fixture(scope="session")
def make_tables() -> Make | None:
    """What makes the tables of this directory's tests; here there are none."""
    return None


@pytest.fixture
def postgres_url(databases: Databases, make_tables: Make | None) -> Iterator[str]:
    """A PostgreSQL database of the test's own, with nothing but the directory's tables."""
    with databases.lend(make_tables) as url:
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


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Make], Path]:
    """SQLite databases with tables, each made once."""

    @cache
    def made(make: Make) -> Path:
        file = tmp_path_factory.mktemp("tables") / "rota.db"
        make(f"sqlite:///{file}")
        return file

    return made


@pytest.fixture
def sqlite_url(tmp_path: Path, files: Callable[[Make], Path], make_tables: Make | None) -> str:
    """A SQLite database of the test's own, with the directory's tables; without any, the file does not exist yet."""
    if make_tables is not None:
        copyfile(files(make_tables), tmp_path / "rota.db")
    return f"sqlite:///{tmp_path / 'rota.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with nothing but the directory's tables, once of each kind: a test that asks for it runs on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tests log odd text, which a report that goes from one process to another must be able to hold."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
