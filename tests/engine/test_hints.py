"""Whom PostgreSQL tells of work: as many nodes as there is work for, and one more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import create_engine

from rota import Rota
from rota.engine.node import Node
from rota.store.database import WorkKind
from rota.testing import ManualClock, run_due

NODES = 6
ALL = "rota"


class Ears:
    """Hears every channel, as all the nodes together would."""

    def __init__(self, connection: psycopg.Connection, nodes: list[Node]) -> None:
        self._connection = connection
        for channel in (ALL, "the_end", *(f"rota_{node.identity.id[-8:]}" for node in nodes)):
            connection.execute(f'LISTEN "{channel}"'.encode())

    def heard(self) -> list[str]:
        """The channels on which something was told since the last time."""
        self._connection.execute("NOTIFY the_end")
        told = []
        for notice in self._connection.notifies():
            if notice.channel == "the_end":
                break
            told.append(notice.channel)
        return sorted(told)


@pytest.fixture
def listen(postgres_ledger: str) -> Iterator[Callable[..., Ears]]:
    with psycopg.connect(postgres_ledger, autocommit=True) as connection:
        yield lambda nodes: Ears(connection, nodes)


@pytest.fixture
def app(open_app: Callable[..., Rota], postgres_ledger: str) -> Rota:
    app = open_app(postgres_ledger)
    app.job("job", retry=1)(lambda n=0: None)
    app.job("limited", concurrency=2)(lambda n=0: None)
    app.job("elsewhere", queue="slow")(lambda n=0: None)
    app.prepare()
    return app


def test_so_many_are_told_as_there_are_runs_and_one_more(
    app: Rota, start: Callable[..., Node], listen: Callable[..., Ears]
) -> None:
    ears = listen([start(app) for _ in range(NODES)])

    app.enqueue("job")
    assert len(set(ears.heard()) - {ALL}) == 2
    app.enqueue_many("job", [{"n": n} for n in range(3)])
    assert len(set(ears.heard()) - {ALL}) == 4
    app.enqueue_many("limited", [{"n": n} for n in range(3)])
    assert len(set(ears.heard()) - {ALL}) == 4
    app.enqueue_many("job", [{"n": n} for n in range(100)])
    assert ears.heard() == [ALL]


def test_they_are_not_always_the_same_ones(app: Rota, start: Callable[..., Node], listen: Callable[..., Ears]) -> None:
    ears = listen([start(app) for _ in range(NODES)])

    seen: set[str] = set()
    for _ in range(50):
        app.enqueue("job")
        seen.update(ears.heard())

    assert len(seen) == NODES


def test_only_who_serves_the_queue_and_has_the_job_is_told(
    app: Rota,
    open_app: Callable[..., Rota],
    postgres_ledger: str,
    start: Callable[..., Node],
    listen: Callable[..., Ears],
) -> None:
    other = open_app(postgres_ledger, name="other")
    mine = [start(app, queues=queues) for queues in [("default",), ("default", "slow"), ("*",), ("fast",)]]
    ears = listen([*mine, *(start(other) for _ in range(4))])

    told: dict[str, set[str]] = {}
    for _ in range(30):
        for job in ("job", "elsewhere"):
            app.enqueue(job)
            told.setdefault(job, set()).update(ears.heard())

    assert told["job"] == {"rota_node-0", "rota_node-1", "rota_node-2"}
    assert told["elsewhere"] == {ALL}, "two of two"


def test_of_a_run_that_is_kept_for_a_host_its_nodes_alone_are_told(
    app: Rota, start: Callable[..., Node], listen: Callable[..., Ears]
) -> None:
    mine = [start(app, host=host) for host in ("web-1", "web-2", "web-2", "web-2", "web-3")]
    ears = listen(mine)

    told: set[str] = set()
    for _ in range(30):
        with app.store.write() as tx:
            tx.announce({WorkKind("default", "job", "web-2"): 1})
        told.update(ears.heard())

    assert told == {"rota_node-1", "rota_node-2", "rota_node-3"}


def test_those_that_are_full_are_told_last_and_those_that_are_gone_not_at_all(
    app: Rota, start: Callable[..., Node], listen: Callable[..., Ears]
) -> None:
    nodes = [start(app) for _ in range(NODES)]
    ears = listen(nodes)
    for node in nodes[:3]:
        node.identity.beat(4)
    with app.store.write() as tx:
        nodes[5].identity.stop(tx)

    app.enqueue("job")
    assert ears.heard() == ["rota_node-3", "rota_node-4"]
    app.enqueue_many("job", [{"n": n} for n in range(2)])
    assert set(ears.heard()) > {"rota_node-3", "rota_node-4"}


def test_a_transaction_of_the_callers_tells_when_it_is_committed(
    app: Rota, postgres_ledger: str, start: Callable[..., Node], listen: Callable[..., Ears]
) -> None:
    ears = listen([start(app) for _ in range(NODES)])
    engine = create_engine(postgres_ledger.replace("postgresql://", "postgresql+psycopg://"))

    with engine.begin() as connection:
        app.options(connection=connection).enqueue("job")
        assert ears.heard() == []
    engine.dispose()

    assert len(ears.heard()) == 2


def test_of_many_jobs_at_one_time_everybody_is_told(
    app: Rota, clock: ManualClock, start: Callable[..., Node], listen: Callable[..., Ears]
) -> None:
    ears = listen([start(app) for _ in range(NODES)])
    for n in range(20):
        app.job(f"job-{n}")(lambda: None)
        app.options(delay="1h").enqueue(f"job-{n}")
    assert ears.heard() == []

    clock.advance(hours=2)
    run_due(app)

    assert ALL in ears.heard()
