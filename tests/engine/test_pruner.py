"""What is forgotten, and when: never what waits, later what failed, not at all what a person did."""

from __future__ import annotations

from rota import Failed, Rota, Run, every
from rota.engine.pruner import Pruner
from rota.model.node import NodeSettings
from rota.store import batches, counters, logs
from rota.testing import ManualClock, run_due


def prune(app: Rota, **settings: float) -> None:
    pruner = Pruner(app.store, NodeSettings(**settings))  # type: ignore[arg-type]
    while pruner.tick():
        pass


def test_runs_go_after_their_days_and_failed_ones_later_and_unfinished_ones_never(
    app: Rota, clock: ManualClock
) -> None:
    @app.job(retry=1)
    def job(run: Run, fail: bool = False) -> object:
        run.log.info("a line")
        return Failed("no") if fail else 1

    good, bad = job.enqueue(), job.enqueue(fail=True)
    cancelled, waiting, later = (
        job.options(delay="1h").enqueue(),
        job.options(queue="idle").enqueue(),
        job.options(delay="200d").enqueue(),
    )
    app.runs.cancel(cancelled.id, "anna")
    run_due(app)
    app.queues.pause("idle", "anna")
    stuck = job.options(queue="idle").enqueue()

    def left() -> set[int]:
        prune(app)
        return {run.id for run in app.runs.page(limit=100)}

    assert left() == {good.id, bad.id, cancelled.id, waiting.id, later.id, stuck.id}
    clock.advance(days=29)
    assert left() == {good.id, bad.id, cancelled.id, waiting.id, later.id, stuck.id}
    clock.advance(days=2)
    assert left() == {bad.id, later.id, stuck.id}
    assert app.runs.logs(bad.id)
    clock.advance(days=61)
    assert left() == {later.id, stuck.id}
    with app.store.read() as tx:
        for run_id in (good.id, bad.id):
            assert tx.all("attempts.of_run", run_id=run_id) == []
            assert logs.of_run(tx, run_id) == {}


def test_a_run_that_was_made_long_ago_and_ended_just_now_stays(app: Rota, clock: ManualClock) -> None:
    app.job("job")(lambda: None)
    handle = app.options(delay="100d").enqueue("job")
    app.prepare()

    clock.advance(days=101)
    run_due(app)
    prune(app)
    assert handle.state == "succeeded"
    clock.advance(days=31)
    prune(app)

    assert app.runs.page() == []


def test_many_old_runs_go_stretch_by_stretch_though_dead_letters_stand_before_them(
    app: Rota, clock: ManualClock
) -> None:
    app.job("bad", retry=1)(lambda: Failed("no"))
    app.job("good")(lambda: None)
    app.handles["bad"].enqueue_many([{}] * 1_100)
    app.handles["good"].enqueue_many([{}] * 1_100)
    with app.store.database.exclusive() as tx:
        tx.script(
            "UPDATE rota_run SET finished_at = due_at,"
            " state = CASE WHEN job = 'bad' THEN 'failed' ELSE 'succeeded' END;"
        )

    clock.advance(days=31)
    prune(app)

    assert {run.state for run in app.runs.page(limit=5_000)} == {"failed"}
    assert len(app.runs.page(limit=5_000)) == 1_100


def test_fires_and_events_go_after_their_days_and_what_a_person_did_never(app: Rota, clock: ManualClock) -> None:
    app.job("report", schedule=every("1d"), overlap="allow", catch_up="none")(lambda: None)
    run_due(app)
    app.schedules.pause("report", by="anna")
    clock.advance(days=3)
    app.schedules.resume("report", by="anna")
    clock.advance(days=3)
    run_due(app)
    assert len(app.schedules.fires("report")) == 2

    clock.advance(days=401)
    prune(app)

    assert app.schedules.fires("report") == []
    assert [event.kind for event in app.schedules.events("report")] == ["schedule.resumed", "schedule.paused"]
    with app.store.read() as tx:
        assert counters.totals(tx, 0) == {}


def test_batches_that_are_over_go_with_the_runs(app: Rota, clock: ManualClock) -> None:
    app.job("child")(lambda: None)
    app.job("parent")(lambda run: run.fan_out("child", [{}]))
    handle = app.enqueue("parent")
    run_due(app)
    batch = handle.result

    clock.advance(days=29)
    prune(app)
    assert app.runs.batch(batch)["succeeded"] == 1
    clock.advance(days=400)
    prune(app)

    with app.store.read() as tx:
        assert batches.get(tx, batch) is None
