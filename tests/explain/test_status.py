from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from rota import Retry, Rota, __version__, every
from rota.app.items import status_item
from rota.engine.node import Node
from rota.errors import ConflictError, NotFoundError, StoreError
from rota.explain.doctor import examine
from rota.explain.finding import Finding
from rota.explain.status import Health, Status
from rota.model.figures import bucket, percentile
from rota.store import runs
from rota.testing import ManualClock, run_due
from tests.ledgers import newer_code

Start = Callable[..., Node]
Beat = Callable[..., None]


def told(status: Status) -> str:
    return " ".join(reason.sentence for reason in status.reasons)


def examined(rota: Rota) -> list[Finding]:
    return examine(rota.store, rota.settings.database.url, __version__)


def test_a_node_that_works_is_healthy(rota: Rota, start: Start, beat: Beat) -> None:
    beat(start())
    status = rota.status()

    assert (status.health, status.reasons) == (Health.HEALTHY, ())
    assert {duty.name for duty in status.nodes[0].duties} > {"scheduler", "stager", "worker", "finisher", "rescuer"}


def test_without_a_node_it_is_down(rota: Rota) -> None:
    rota.prepare()
    status = rota.status()

    assert status.health is Health.DOWN
    assert told(status) == "No node is alive, so nothing runs."
    assert status.reasons[0].todo == "start one: rota up"


def test_what_waits_for_code_that_no_node_has_is_told_after_a_while(
    rota: Rota, clock: ManualClock, start: Start, beat: Beat
) -> None:
    rota.job("known")(lambda: None)
    node = start()
    beat(node)
    with rota.store.write() as tx:
        run = rota.enqueuer.new_run(rota.jobs["known"], {}, rota.store.now_us())
        runs.insert(tx, [run._replace(job="unknown")])
    clock.advance(seconds=29)
    node.heartbeat.tick()
    assert rota.status().reasons == ()

    clock.advance(seconds=2)
    [reason] = rota.status().reasons

    assert (reason.kind, reason.data["jobs"], rota.status().health) == ("jobs_unknown", ["unknown"], Health.DEGRADED)
    assert reason.sentence == "Runs wait in queue default for code that no living node which serves it has: unknown."


def test_a_scheduler_that_died_while_the_worker_looks_healthy_shows(
    rota: Rota, clock: ManualClock, start: Start, beat: Beat
) -> None:
    node = start()
    clock.advance(minutes=5)
    beat(node, broken="scheduler")
    status = rota.status()

    assert status.health is Health.DOWN
    assert f"The scheduler of node {node.identity.id} has never worked: RuntimeError: out of paper." in told(status)
    assert "No node has a working scheduler: no due moment is judged." in told(status)


def test_another_node_whose_scheduler_works_makes_that_a_degradation(
    rota: Rota, clock: ManualClock, start: Start, beat: Beat
) -> None:
    broken = start()
    clock.advance(minutes=5)
    beat(broken, broken="scheduler")
    beat(start())

    assert rota.status().health is Health.DEGRADED


def test_a_node_that_has_only_just_started_is_given_its_time(rota: Rota, start: Start) -> None:
    node = start()
    node.heartbeat.runners = list(node._runners.values())
    node.heartbeat.tick()

    assert rota.status().health is Health.HEALTHY


def test_a_node_that_fell_silent_is_told_until_it_is_forgotten(rota: Rota, clock: ManualClock, start: Start) -> None:
    silent = start(lease=15.0)
    rescuer = start()
    clock.advance(seconds=20)
    assert f"Node {silent.identity.id} is silent" in told(rota.status())
    assert f"its process {os.getpid()} is there, but cannot write" in rota.status().reasons[0].todo

    next(duty for duty in rescuer.duties if duty.name == "rescuer").tick()
    assert f"Node {silent.identity.id} was lost" in told(rota.status())
    assert rota.status().health is Health.DEGRADED

    clock.advance(minutes=10)
    assert rota.status().health is Health.HEALTHY


def test_overdue_schedules_are_counted_and_the_worst_is_named(rota: Rota, clock: ManualClock, start: Start) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    @rota.job(schedule=every("2h"))
    def seldom() -> None: ...

    start()
    clock.advance(hours=2, minutes=5)
    status = rota.status()

    assert status.health is Health.DEGRADED
    assert status.overdue_count == 2
    assert "2 schedules are overdue: hourly was due 2026-03-05 13:00:00 UTC (1h5m ago)" in told(status)


def test_what_is_paused_is_listed_and_is_no_illness(rota: Rota, clock: ManualClock, start: Start) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    start()
    hourly.enqueue()
    rota.queues.pause("default", "cli:anna", "provider down")
    rota.schedules.pause("hourly", by="cli:bob")
    clock.advance(hours=3)
    status = rota.status()

    assert status.health is Health.HEALTHY
    assert [(each.kind, each.data["name"], each.data["by"], each.data["why"]) for each in status.paused] == [
        ("queue_paused", "default", "cli:anna", "provider down"),
        ("schedule_paused", "hourly", "cli:bob", None),
    ]


def test_a_queue_whose_runs_wait_long_is_told(rota: Rota, clock: ManualClock, start: Start) -> None:
    @rota.job(queue="mail")
    def mail() -> None: ...

    start()
    mail.enqueue()
    clock.advance(minutes=6)
    status = rota.status()

    assert status.health is Health.DEGRADED
    assert "The oldest run of queue mail has waited for 6m; 1 run waits." in told(status)


def test_a_queue_that_nobody_serves_is_told(rota: Rota, start: Start) -> None:
    @rota.job(queue="mail")
    def mail() -> None: ...

    start(queues=("default",))
    mail.enqueue()

    assert "No node serves queue mail" in told(rota.status())


def test_many_failures_are_an_illness_and_dead_letters_are_counted(rota: Rota) -> None:
    @rota.job(retry=1)
    def breaks(n: int) -> None:
        if n % 2:
            raise ValueError

    rota.prepare()
    breaks.enqueue_many([{"n": n} for n in range(20)])
    run_due(rota)
    status = rota.status()

    assert status.dead == 10
    assert status.health is Health.DEGRADED
    assert "Of 20 runs that ended in the last hour, 10 failed" in told(status)


def test_figures_come_from_the_counters(rota: Rota, clock: ManualClock) -> None:
    @rota.job(retry=Retry(attempts=2, delays=[1]))
    def second_time_lucky(run) -> None:  # type: ignore[no-untyped-def]
        clock.advance(seconds=4)
        if run.attempt == 1:
            raise ValueError

    rota.prepare()
    second_time_lucky.enqueue()
    clock.advance(seconds=30)
    run_due(rota)
    clock.advance(seconds=2)
    run_due(rota)
    figures = rota.counters.figures(60)

    assert (figures.runs, figures.attempts, figures.succeeded, figures.retried) == (1, 2, 1, 1)
    assert figures.success == 1.0
    assert figures.per_minute == pytest.approx(1 / 60)
    assert figures.p50 == pytest.approx(4, rel=0.1)
    assert figures.late_p95 == pytest.approx(30, rel=0.1)
    assert rota.counters.by_job(60).keys() == {"second_time_lucky"}
    clock.advance(hours=2)
    assert rota.counters.figures(60).attempts == 0


def test_a_percentile_is_right_within_its_bucket() -> None:
    from collections import Counter

    lengths = [1_000 * n for n in range(1, 1_001)]
    histogram = Counter(bucket(length) for length in lengths)

    assert percentile(histogram, 0.5) == pytest.approx(0.5, rel=0.1)
    assert percentile(histogram, 0.95) == pytest.approx(0.95, rel=0.1)
    assert percentile(Counter(), 0.5) is None


def test_an_older_schema_is_told(rota: Rota, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    newer_code(monkeypatch)
    status = rota.status()

    assert status.health is Health.DEGRADED
    assert status.reasons[0].todo == "Run: rota db migrate"


def test_a_database_without_tables_is_an_error(database_url: str) -> None:
    rota = Rota(database_url)

    with pytest.raises(StoreError):
        rota.status()


def test_the_status_is_plain_data_for_programs(rota: Rota, start: Start, beat: Beat) -> None:
    beat(start())
    item = status_item(rota.status())

    assert item["health"] == "healthy"
    assert item["nodes"][0]["state"] == "alive"
    assert item["schema"]["current"] is True


def test_a_drain_is_asked_for_once_and_by_somebody(rota: Rota, start: Start) -> None:
    node = start()
    rota.nodes.drain(node.identity.id, "cli:anna")

    with pytest.raises(ConflictError, match="is draining already"):
        rota.nodes.drain(node.identity.id, "cli:anna")
    with pytest.raises(NotFoundError):
        rota.nodes.drain("nobody", "cli:anna")
    node.heartbeat.tick()
    assert node.asked_to_stop.is_set()
    assert rota.nodes.all()[0].state == "draining"


def test_nodes_are_listed_for_an_hour_after_they_went(rota: Rota, clock: ManualClock, start: Start) -> None:
    node = start()
    with rota.store.write() as tx:
        node.identity.stop(tx)
    assert [each.state for each in rota.nodes.all()] == ["stopped"]

    clock.advance(hours=2)
    assert rota.nodes.all() == []


def test_a_clock_that_was_set_back_is_told(rota: Rota, clock: ManualClock, start: Start, beat: Beat) -> None:
    @rota.job(schedule=every("1s"))
    def tick() -> None: ...

    node = start()
    clock.advance(hours=1)
    beat(node)
    assert rota.status().health is Health.HEALTHY
    clock.advance(minutes=-59)
    status = rota.status()

    assert status.health is Health.DEGRADED
    assert "1 schedule is judged up to 2026-03-05 13:00:00 UTC (in 59m), and nothing is fired before" in told(status)
    assert f"of node {node.identity.id} last worked in 59m" in told(status)
    assert [each.severity for each in examined(rota) if "set back" in each.text] == ["warning", "warning"]
