"""The database goes away under a working node, and comes back: nothing is lost, or counted as a crash."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota import Retry, Rota, Run, every
from rota.errors import StoreUnreachableError
from rota.model.node import NodeSettings
from rota.store import open_store, runs
from tests.engine.helpers import kinds, until
from tests.servers import PostgresServer

pytestmark = pytest.mark.long

SHORT = NodeSettings(threads=4, lease=1.0, heartbeat=0.2, poll=0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=True) as server:  # what it acknowledged is to survive being killed
        yield server


@pytest.fixture
def real(server: PostgresServer) -> Iterator[Rota]:
    """By real time, on a server of its own."""
    app = Rota(server.url)
    yield app
    app.close()


def test_a_body_that_ends_while_the_server_is_away_is_done_when_it_is_back(
    server: PostgresServer, real: Rota, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go = threading.Event(), threading.Event()

    @real.job("patient", retry=Retry(attempts=1), timeout=None)
    def patient(run: Run) -> int:
        begun.set()
        go.wait(60)
        return run.attempt

    @real.job("second", schedule=every("1s"), overlap="allow", catch_up="all")
    def second() -> None: ...

    with real.running(NodeSettings(threads=4, poll=0.1)) as node:
        handle = patient.enqueue()
        assert begun.wait(60)
        server.kill()
        real.store.database._offset_measured = -1e9  # type: ignore[attr-defined] - as it is after five seconds
        go.set()
        until(lambda: not len(node.inflight))
        until(lambda: "trying again until it answers" in caplog.text)
        server.start()
        until(lambda: reached(real, handle.id, "succeeded"))
        again = patient.enqueue()
        until(lambda: reached(real, again.id, "succeeded"))
        until(lambda: bool(real.schedules.fires("second")))
        until(lambda: "the database answers again" in caplog.text)
    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1, told  # by ten duties, each of them again and again
    assert told[0].endswith("; trying again until it answers")

    record = handle.record()
    assert (record.attempt, record.result, record.crashes) == (1, "1", 0)
    fires = real.schedules.fires("second", limit=1_000)
    assert set(Counter(fire.due_at for fire in fires).values()) == {1}


def reached(app: Rota, run_id: int, state: str) -> bool:
    try:
        return app.runs.get(run_id).state == state
    except StoreUnreachableError:
        return False


def test_an_outage_longer_than_the_lease_is_no_crash_of_anybody(server: PostgresServer, real: Rota) -> None:
    began: list[int] = []

    @real.job("obedient", retry=Retry(attempts=1), timeout=None)
    def obedient(run: Run) -> int:
        began.append(run.attempt)
        if len(began) == 1:
            run.sleep(60)
        return run.attempt

    handle = None
    with real.running(SHORT) as node:
        handle = obedient.enqueue()
        until(lambda: began)
        server.stop()
        until(lambda: not len(node.inflight))  # it was told before the lease ran out
        until(lambda: not node.identity.trusted())
        server.start()
        until(lambda: reached(real, handle.id, "succeeded"))

    record = handle.record()
    assert (record.crashes, record.suspected, record.failures) == (0, 0, 0)
    assert began == [1, record.attempt]  # a claim that the outage outlasted was given back before its body began
    assert "run.rescued" not in kinds(real, handle.id)


def test_the_time_of_the_server_is_known_also_while_it_is_away(server: PostgresServer) -> None:
    store = open_store(server.url)
    before = store.now_us()

    server.stop()
    store.database._offset_measured = -1e9  # type: ignore[attr-defined]
    after = store.now_us()
    with pytest.raises(StoreUnreachableError), store.read() as tx:
        runs.next_moment(tx)
    server.start()

    assert 0 <= after - before < 60_000_000
    store.close()


def test_a_file_locked_by_another_process_for_a_while_only_delays(sqlite_ledger: str, tmp_path: Path) -> None:
    app = Rota(sqlite_ledger)
    app.job("job")(lambda: 1)
    other = sqlite3.connect(tmp_path / "rota.db", isolation_level=None, check_same_thread=False)

    with app.running(SHORT):
        app.enqueue("job").wait(60)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.7, lambda: other.execute("COMMIT")).start()
        handle = app.enqueue("job")
        assert handle.wait(60).state == "succeeded"
        assert handle.record().crashes == 0

    other.close()
    app.close()
