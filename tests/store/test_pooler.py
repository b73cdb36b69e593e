"""Behind PgBouncer: in each of its modes the ledger works as without it, and our settings hold."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from rota import Rota
from rota.model.node import NodeSettings
from rota.store import open_store
from tests.engine.helpers import until
from tests.ledgers import migrated
from tests.servers import free_port, wait_until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture(params=["session", "transaction", "transaction, ignoring options"])
def pooled_url(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    mode, _, ignoring = request.param.partition(", ")
    parts, port = urlsplit(migrated(postgres_url)), free_port()
    home = Path(tempfile.mkdtemp(prefix="rota-bouncer-", dir="/tmp"))
    lines = [
        "[databases]",
        f"* = host={parts.hostname} port={parts.port}",
        "[pgbouncer]",
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
        f"auth_type = trust\nauth_file = {home}/users",
        f"pool_mode = {mode}\nlogfile = {home}/log",
        "ignore_startup_parameters = options" if ignoring else "",
    ]
    (home / "ini").write_text("\n".join(lines))
    (home / "users").write_text(f'"{parts.username}" ""\n')
    (home / "log").touch()
    process = subprocess.Popen(
        [str(PGBOUNCER), "-q", str(home / "ini")], stderr=subprocess.DEVNULL, **unprivileged(home)
    )
    url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
    wait_until(lambda: answers(url), process, home / "log")
    yield url
    process.kill()
    process.wait()
    shutil.rmtree(home)


def unprivileged(home: Path) -> dict[str, Any]:
    """It refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for place in (home, *home.iterdir()):
        os.chown(place, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_node_works_behind_it_as_without_it(pooled_url: str) -> None:
    app = Rota(pooled_url)
    app.job("work")(lambda number: number)
    app.job("alone", concurrency=1)(lambda: None)

    with app.running(NodeSettings(threads=4, poll=0.1)) as node:
        ids = app.enqueue_many("work", [{"number": number} for number in range(300)])
        alone = [app.enqueue("alone") for _ in range(10)]
        for handle in alone:
            handle.wait(60)
        until(lambda: node.inflight.idle)
        assert not any(runner.pulse.error for runner in node._runners.values())
    states = {app.runs.get(run_id).state for run_id in ids}
    app.close()

    assert states == {"succeeded"}


def test_our_settings_hold_in_every_transaction(pooled_url: str) -> None:
    store = open_store(pooled_url + "?options=-clock_timeout%3D7s")
    asked = "SELECT current_setting('enable_seqscan'), current_setting('lock_timeout'), current_setting('jit')"

    for transaction in (store.write, store.read, store.single):
        for _ in range(8):  # more than the driver takes to prepare a statement
            with transaction() as tx:
                assert tx.script(asked) == [("off", "7s", "off")]
    with store.write(durable=False) as tx:
        assert tx.script("SHOW synchronous_commit") == [("off",)]
    store.close()

    with psycopg.connect(pooled_url) as other:
        assert other.execute("SHOW enable_seqscan").fetchone() == ("on",)  # nothing is left behind
