"""The answer to a COMMIT is lost on its way: what was committed is not done again, and is told once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rota import Retry, Rota, Run, every
from rota.errors import CommitUnknownError
from rota.model.event import Event
from rota.model.node import NodeSettings
from rota.store import counters
from tests.engine.helpers import kinds, until
from tests.ledgers import migrated
from tests.proxy import Proxy

CALM = NodeSettings(threads=2, lease=600, heartbeat=60, poll=0.1, schedules=False)
"""No duty commits but worker and finisher."""


@pytest.fixture
def proxy(postgres_ledger: str) -> Iterator[Proxy]:
    with Proxy(migrated(postgres_ledger)) as proxy:
        yield proxy


@pytest.fixture
def app(proxy: Proxy) -> Iterator[Rota]:
    app = Rota(proxy.url)
    yield app
    app.close()


@pytest.mark.parametrize(
    ("ending", "told", "state", "attempts"),
    [
        ("well", ["run.succeeded"], "succeeded", []),
        ("badly", ["run.failed"], "failed", ["failed"]),
        ("again", ["run.retried"], "scheduled", ["failed"]),
        ("waiting", ["run.waiting"], "waiting", ["waiting"]),
    ],
)
def test_an_end_that_was_committed_is_told_once_and_never_as_refused(
    app: Rota, proxy: Proxy, ending: str, told: list[str], state: str, attempts: list[str]
) -> None:
    heard: list[Event] = []
    app.on("run.*")(heard.append)

    @app.job("job", retry=Retry(attempts=2 if ending == "again" else 1, base=600))
    def job(run: Run) -> None:
        if ending == "waiting":
            with contextlib.suppress(BaseException):
                run.wait_for("approval")
        proxy.lose_commits = 1
        if ending in {"badly", "again"}:
            raise ValueError(ending)

    with app.running(CALM) as node:
        handle = job.enqueue()
        until(lambda: proxy.lost and node.inflight.idle and heard)
    assert proxy.lost == 1

    assert [event.kind for event in heard] == told
    assert kinds(app, handle.id) == [each for each in told if each != "run.succeeded"]
    assert (handle.state, handle.record().failures) == (state, attempts.count("failed"))
    assert [each.outcome for each in app.runs.attempts(handle.id) if each.outcome != "succeeded"] == attempts
    with app.store.read() as tx:
        counted = counters.totals(tx, 0, "job")["job"]
    assert counted["retried" if ending == "again" else state].total() == 1


def test_many_ends_of_one_lost_commit_are_each_told_once(app: Rota, proxy: Proxy) -> None:
    heard: list[int | None] = []
    app.on("run.succeeded")(lambda event: heard.append(event.run_id))
    refused: list[Event] = []
    app.on("run.refused")(refused.append)

    @app.job("job")
    def job(number: int) -> None:
        if number == 50:
            proxy.lose_commits = 3

    with app.running(CALM) as node:
        ids = job.enqueue_many([{"number": number} for number in range(100)])
        until(lambda: node.inflight.completed == 100 and node.inflight.idle)
    assert proxy.lost

    assert sorted(heard) == sorted(ids)
    assert refused == []


def test_with_a_key_the_run_is_there_once_and_known(app: Rota, proxy: Proxy) -> None:
    job = app.job("job")(lambda: None)
    app.prepare()

    proxy.lose_commits = 1
    first = job.options(key="a").enqueue()  # the first of its queue, which takes a transaction
    again = job.options(key="a").enqueue()

    assert proxy.lost == 1
    assert (first.id, first.new, again.new) == (again.id, True, False)
    assert len(app.runs.page()) == 1


def test_without_a_key_it_is_told_that_nobody_knows(app: Rota, proxy: Proxy) -> None:
    job = app.job("job")(lambda: None)
    app.prepare()

    proxy.lose_commits = 1
    with pytest.raises(CommitUnknownError, match="broke before the answer to a commit"):
        job.enqueue()

    assert len(app.runs.page()) == 1


def test_a_moment_whose_commit_was_lost_fires_once(app: Rota, proxy: Proxy) -> None:
    app.job("second", schedule=every("1s"), overlap="allow", catch_up="all")(lambda: None)

    with app.running(NodeSettings(threads=2, poll=0.1)):
        until(lambda: len(app.schedules.fires("second")) > 1)
        proxy.lose_commits = 5
        until(lambda: proxy.lost == 5)
        count = len(app.schedules.fires("second"))
        until(lambda: len(app.schedules.fires("second")) > count + 1)

    moments = [fire.due_at for fire in app.schedules.fires("second", limit=1_000)]
    assert len(moments) == len(set(moments))
    made = [run.fire_due_at for run in app.runs.page(limit=1_000)]
    assert len(made) == len(set(made))


def test_a_claim_whose_answer_was_lost_is_done_all_the_same(app: Rota, proxy: Proxy, postgres_ledger: str) -> None:
    """It is this node's in the ledger alone; the node finds it there, and gives it back."""
    job = app.job("job", concurrency=1, retry=Retry(attempts=1))(lambda: None)
    near = Rota(postgres_ledger)
    near.job("job", concurrency=1)(lambda: None)

    with app.running(replace(CALM, heartbeat=1.0)):
        job.enqueue().wait(60)
        proxy.lose_commits = 1
        handle = near.enqueue("job")
        until(lambda: near.runs.get(handle.id).state == "succeeded")
    near.close()

    assert proxy.lost == 1
    assert handle.record().crashes == 0
