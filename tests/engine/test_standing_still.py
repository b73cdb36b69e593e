"""What hangs in a node: it holds up nothing else, is named, and lets the lease go where it must."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator

import pytest

from rota import Retry, Rota, Run
from rota.engine import events
from rota.engine.node import CLOSING_SECONDS
from rota.model.event import Event
from rota.model.node import NodeSettings, NodeState
from tests.engine.helpers import until
from tests.ledgers import migrated
from tests.proxy import Proxy

SHORT = NodeSettings(threads=2, lease=1.0, heartbeat=0.2, poll=0.1)


@pytest.fixture
def real(ledger_url: str) -> Iterator[Rota]:
    app = Rota(ledger_url)
    yield app
    app.close()


def test_a_listener_that_does_not_return_holds_up_no_end_and_no_other_listener(
    real: Rota, caplog: pytest.LogCaptureFixture
) -> None:
    go, heard = threading.Event(), list[int | None]()
    job = real.job("work", retry=Retry(attempts=1))(lambda n: n)

    @real.on("run.succeeded")
    def hang(event: Event) -> None:
        go.wait(60)

    @real.on("run.succeeded")
    def hear(event: Event) -> None:
        heard.append(event.run_id)

    with real.running(SHORT) as node:
        ids = job.enqueue_many([{"n": n} for n in range(200)])
        until(lambda: len(heard) == 200)
        until(lambda: any("hang" in name for name in node.hanging()))
        assert [each.state for each in real.nodes.all()] == [NodeState.ALIVE]
        begun = time.monotonic()
        node.stop(drain=0)
        assert time.monotonic() - begun < 30
    go.set()

    assert sorted(heard, key=str) == sorted(ids, key=str)
    assert {real.runs.get(each).state for each in ids} == {"succeeded"}
    assert "hang has not returned; it was not told of 199 events" in caplog.text


def test_a_listener_that_hangs_is_named_in_the_ledger(real: Rota) -> None:
    go = threading.Event()
    job = real.job("work")(lambda: 1)

    @real.on("run.succeeded")
    def page(event: Event) -> None:
        go.wait(60)

    with real.running(SHORT):
        job.enqueue()
        until(lambda: any("page" in d.name and "has not returned" in (d.error or "") for d in duties(real)))
        go.set()
        until(lambda: all(d.error is None for d in duties(real) if "page" in d.name))


def duties(app: Rota) -> list[object]:
    return [duty for node in app.nodes.all() for duty in node.duties]


def test_events_beyond_what_may_wait_are_counted_and_told(
    real: Rota, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_WAITING", 10)
    go, heard = threading.Event(), list[int | None]()
    job = real.job("work")(lambda n: n)

    @real.on("run.succeeded")
    def slow(event: Event) -> None:
        heard.append(event.run_id)
        go.wait(60)

    with real.running(SHORT) as node:
        job.enqueue_many([{"n": n} for n in range(100)])
        until(lambda: node.inflight.idle and node.inflight.completed == 100)
        assert "slow does not keep up" in caplog.text
        go.set()
        until(lambda: len(heard) == 11)
        job.enqueue(n=100)
        until(lambda: len(heard) == 12)
    assert sum(map(int, re.findall(r"slow was not told of (\d+) events", caplog.text))) == 89


def test_a_node_whose_finisher_stands_still_lets_its_lease_go(real: Rota, caplog: pytest.LogCaptureFixture) -> None:
    @real.job("work", retry=Retry(attempts=1), timeout=None)
    def work(run: Run) -> int:
        return run.attempt

    with caplog.at_level(logging.WARNING), real.running(SHORT) as node:
        with node.finisher._ticking:  # as a commit that never comes back does
            handle = work.enqueue()
            until(lambda: node.inflight.uncommitted)
            with real.running(SHORT):
                until(lambda: handle.state == "succeeded")
                assert "finisher" in node.hanging()
                told = [finding.text for finding in (*real.status().reasons, *real.status().notes)]
                assert any("its finisher has not returned for" in text for text in told), told
        until(lambda: "renews its lease again" in caplog.text)
        again = work.enqueue()
        again.wait(60)

    assert handle.record().result == "2"
    assert "the finisher has stood still" in caplog.text


@pytest.mark.long
def test_a_node_behind_a_silent_network_loses_its_runs_in_time_works_again_and_stops_in_time(
    postgres_ledger: str,
) -> None:
    begun = threading.Event()

    def declared(url: str) -> Rota:
        app = Rota(url)

        @app.job("patient", retry=Retry(attempts=1), timeout=None)
        def patient(run: Run, first: bool) -> int:
            begun.set()
            if first and run.attempt == 1:
                run.sleep(60)
            return run.attempt

        return app

    near = declared(postgres_ledger)
    with Proxy(migrated(postgres_ledger)) as proxy:
        far = declared(proxy.url)
        with far.running(SHORT) as node:
            handle = near.handles["patient"].enqueue(first=True)
            assert begun.wait(60)
            proxy.silence()
            cut_at = time.monotonic()
            with near.running(SHORT):
                until(lambda: handle.state == "succeeded")
            assert time.monotonic() - cut_at < SHORT.lease + 20
            proxy.resume()
            last = near.handles["patient"].enqueue(first=False)
            last.wait(60)
            proxy.silence()
            stopping_at = time.monotonic()
            node.stop(drain=0.5)
            assert time.monotonic() - stopping_at < 0.5 + CLOSING_SECONDS + 5
        far.close()
    near.close()
