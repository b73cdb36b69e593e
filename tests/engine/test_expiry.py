"""Runs that have not begun so long after they were due end, instead of beginning late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from rota import Failed, Rota, RotaError, Run, Snoozed, every
from rota.clock import from_us
from rota.engine.node import Node
from rota.errors import ConfigError
from rota.explain.events import about
from rota.model.attempt import Claimant
from rota.store import queues, runs
from rota.testing import ManualClock, captured_events, run_due
from tests.engine.helpers import finish, kinds, work

Start = Callable[..., Node]


def state(app: Rota, run_id: int) -> str:
    return app.runs.get(run_id).state


def within(app: Rota, run_id: int) -> float | None:
    """Seconds from its due moment until it expires."""
    run = app.runs.get(run_id)
    return None if run.expires_at is None else (run.expires_at - run.due_at) / 1_000_000


def stage(node: Node) -> None:
    next(each for each in node.duties if each.name == "stager").tick()


def claims(node: Node) -> int:
    """How many runs a claim takes; they are given back."""
    claimed, _ = node.claimer.claim({"thread": 10})
    with node.store.write() as tx:
        runs.hand_back(tx, node.identity.id, [each.key for each in claimed])
    return len(claimed)


@pytest.fixture
def reminded(app: Rota) -> Rota:
    app.job("remind", start_within="1h")(lambda: None)
    return app


def test_a_run_that_has_not_begun_in_time_expires_and_all_is_told(
    reminded: Rota, clock: ManualClock, start: Start
) -> None:
    node = start(reminded)
    handle = reminded.enqueue("remind")
    with captured_events(reminded) as told:
        clock.advance(hours=1)
        stage(node)

    run = handle.record()
    assert (run.state, run.error) == ("expired", "it had not begun in time")
    assert run.finished_at == run.expires_at == run.due_at + 3_600_000_000
    assert handle.wait(timeout=0).state == "expired"
    [event] = [each for each in told if each.kind == "run.expired"]
    assert event.data == {"job": "remind", "due_at": run.due_at, "expires_at": run.expires_at, "held_for": None}
    assert about(event).text == "remind expired, as it had not begun within 1h of its due moment"
    assert kinds(reminded, run.id) == ["run.expired"]
    figures = reminded.counters.figures()
    assert (figures.expired, figures.runs, figures.attempts, figures.p50) == (1, 0, 0, None)
    assert run.id not in {each.id for each in reminded.runs.page(state="failed")}


def test_until_its_last_moment_it_may_begin(reminded: Rota, clock: ManualClock) -> None:
    run_due(reminded)
    reminded.enqueue("remind")
    clock.advance(minutes=59)

    assert [run.state for run in run_due(reminded)] == ["succeeded"]


def test_no_claim_takes_one_whose_time_is_over_though_no_stager_has_come(
    app: Rota, clock: ManualClock, start: Start
) -> None:
    app.job("free", start_within="1h")(lambda: None)
    app.job("limited", start_within="1h", concurrency=5)(lambda: None)
    node = start(app)
    made = [app.enqueue(job).id for job in ("free", "limited")]
    clock.advance(minutes=59, seconds=59)
    assert claims(node) == 2

    clock.advance(seconds=1)
    assert claims(node) == 0
    with app.store.write() as tx:
        assert runs.claim(tx, "default", "free", Claimant("node", 10**6), 10, app.store.now_us()) == []
        assert runs.candidates(tx, "default", ["free", "limited"], 10, app.store.now_us()) == []
    assert {state(app, each) for each in made} == {"available"}


def test_claimed_and_handed_back_before_it_began_it_expires(reminded: Rota, clock: ManualClock, start: Start) -> None:
    node = start(reminded)
    handle = reminded.enqueue("remind")
    assert claims(node) == 1

    clock.advance(hours=1)
    stage(node)

    assert handle.state == "expired"


@pytest.mark.parametrize("end", ["failed", "snoozed"])
def test_what_began_in_time_may_begin_again_at_any_time(app: Rota, clock: ManualClock, start: Start, end: str) -> None:
    @app.job("remind", start_within="1h", retry=3)
    def remind(run: Run) -> Failed | Snoozed | None:
        return None if run.attempt > 1 else Failed("again") if end == "failed" else Snoozed("2h")

    node = start(app)
    handle = app.enqueue("remind")
    work(node)
    clock.advance(hours=3)
    stage(node)
    assert claims(node) == 1  # handed back before its body began: it had begun all the same
    clock.advance(hours=3)
    stage(node)
    work(node)

    assert handle.state == "succeeded"


def test_what_a_lost_node_had_begun_is_brought_back_at_any_time(
    reminded: Rota, clock: ManualClock, start: Start
) -> None:
    lost, other = start(reminded, lease=60), start(reminded)
    handle = reminded.enqueue("remind")
    claimed, _ = lost.claimer.claim({"thread": 1})
    assert claimed
    clock.advance(hours=2)
    for _ in range(3):
        other.heartbeat.tick()
        next(each for each in other.duties if each.name == "rescuer").tick()
    stage(other)

    assert handle.state == "available"
    assert handle.record().expires_at is None


def test_a_batch_is_complete_when_its_last_child_expires(app: Rota, clock: ManualClock) -> None:
    app.job("child", start_within="1h", queue="slow")(lambda number: None)
    app.job("then")(lambda batch: batch)

    @app.job("parent")
    def parent(run: Run) -> int:
        return run.fan_out("child", [{"number": 1}, {"number": 2}], then="then")

    run_due(app)
    app.queues.pause("slow", by="anna")
    app.enqueue("parent")
    [done] = run_due(app)
    batch = int(done.result or "")
    clock.advance(hours=1)

    assert sorted((run.job, run.state) for run in run_due(app)) == [
        ("child", "expired"),
        ("child", "expired"),
        ("then", "succeeded"),
    ]
    assert app.runs.batch(batch)["cancelled"] == 2
    app.runs.retry(app.runs.page(job="child")[0].id, by="anna")
    assert app.runs.batch(batch)["cancelled"] == 1


def test_its_key_and_its_place_are_free(app: Rota, clock: ManualClock, start: Start) -> None:
    app.job("sync", start_within="1h", concurrency=1)(lambda: None)
    node = start(app)
    first = app.options(key="k").enqueue("sync")
    held = app.options(start_within="1d").enqueue("sync")
    assert held.record().held_by is not None

    clock.advance(hours=1)
    stage(node)

    assert first.state == "expired"
    assert held.record().held_by is None
    assert app.options(key="k").enqueue("sync").new


def test_a_run_that_can_begin_no_more_keeps_no_key_though_no_stager_has_come(
    reminded: Rota, clock: ManualClock, start: Start
) -> None:
    start(reminded)
    keyed = reminded.options(key="one")
    old = keyed.enqueue("remind")
    assert not keyed.enqueue("remind").new
    clock.advance(hours=1)

    assert keyed.enqueue("remind").new
    by_name = reminded.options(key=lambda: "one").enqueue_many("remind", [{}])
    assert by_name.new == frozenset()
    clock.advance(hours=1)
    assert reminded.options(key=lambda: "one").enqueue_many("remind", [{}]).new
    assert old.state == "available"
    assert sorted(run.state for run in run_due(reminded)) == ["expired", "expired", "succeeded"]


def test_a_run_that_can_begin_no_more_keeps_no_due_moment_from_its_own(app: Rota, clock: ManualClock) -> None:
    app.job("hourly", schedule=every("1h"), start_within="30m")(lambda: None)
    run_due(app)
    app.queues.pause("default", by="anna")
    clock.advance(hours=1)
    run_due(app)
    app.queues.resume("default", by="anna")
    clock.advance(hours=1)

    assert sorted(run.state for run in run_due(app)) == ["expired", "succeeded"]


def test_a_due_moment_that_is_made_up_for_too_late_expires_at_once(app: Rota, clock: ManualClock) -> None:
    app.job("daily", schedule=every("1d"), start_within="30m")(lambda: None)
    run_due(app)
    clock.advance(hours=25)
    [run] = run_due(app)

    assert run.state == "expired"
    assert app.why_run(run.id).fact("made_late") is not None


def test_runs_of_a_paused_schedule_expire_and_why_says_so(app: Rota, clock: ManualClock) -> None:
    app.job("report")(lambda: None)
    run_due(app)
    app.schedules.add("hourly", "report", every("1h"), jitter="40m", start_within="10m")
    clock.advance(hours=1)
    run_due(app)
    [run] = app.runs.page()
    app.schedules.pause("hourly", by="anna")
    assert "must begin by" in " ".join(fact.text for fact in app.why_run(run.id).facts)

    clock.advance(hours=1)
    [expired] = run_due(app)

    assert (expired.id, expired.state, within(app, run.id)) == (run.id, "expired", 600)
    assert run.due_at > (run.fire_due_at or 0)
    summary = app.why_run(run.id).summary
    assert "expired: it had not begun within 10m of its due moment" in summary
    assert "it was held: its schedule was paused" in summary


def test_why_names_what_kept_it(app: Rota, clock: ManualClock, start: Start) -> None:
    app.job("sync", start_within="1h", concurrency=1)(lambda: None)
    node = start(app)
    app.options(start_within="1d").enqueue("sync")
    held = app.enqueue("sync")
    clock.advance(hours=1)
    stage(node)
    assert "it was held: concurrency job:sync" in app.why_run(held.id).summary

    paused = app.options(queue="slow").enqueue("sync")
    app.queues.pause("slow", by="anna", why="moving")
    clock.advance(hours=3)
    before = app.why_run(paused.id).fact("begin_by")
    assert before is not None
    assert "expires with the next look of a node" in before.text
    stage(node)
    why = app.why_run(paused.id)

    assert "it was held: its queue was paused" in why.summary
    assert "no node was at work then: the first one to look came 2h later" in why.summary
    assert why.fact("queue_paused") is not None


def test_a_call_stands_over_its_schedule_and_job_and_a_schedule_over_its_job(app: Rota, clock: ManualClock) -> None:
    job = app.job("report", start_within="1h", schedule=every("1h"))(lambda: None)
    run_due(app)
    app.schedules.add("half", "report", every("1h"), start_within="30m")
    app.schedules.add("as the job", "report", every("1h"))
    by_hand = {name: app.schedules.run_now(name, by="anna")[0] for name in ("report", "half", "as the job")}

    assert {name: within(app, run) for name, run in by_hand.items()} == {
        "report": 3600,
        "half": 1800,
        "as the job": 3600,
    }
    app.schedules.edit("half", by="anna", start_within=None)
    clock.advance(seconds=1)
    assert within(app, app.schedules.run_now("half", by="anna")[0]) == 3600
    assert within(app, job.options(start_within="1m").enqueue().id) == 60
    assert within(app, job.options(start_within="1m", delay="1d").enqueue().id) == 60
    assert [within(app, each) for each in job.options(start_within="2m").enqueue_many([{}, {}])] == [120, 120]
    for wrong in (0, -1, "soon", timedelta(0)):
        with pytest.raises(ConfigError, match="start_within"):
            job.options(start_within=wrong)  # type: ignore[arg-type]


def test_what_is_run_by_hand_or_backfilled_counts_from_now(app: Rota, clock: ManualClock) -> None:
    app.job("hourly", schedule=every("1h"), jitter="30m", start_within="10m")(lambda: None)
    run_due(app)
    clock.advance(hours=3)
    now = clock.now()
    ids = app.schedules.backfill("hourly", now - timedelta(hours=2), now, by="anna")
    ids += app.schedules.run_now("hourly", by="anna")

    assert {from_us(app.runs.get(each).expires_at or 0) for each in ids} == {now + timedelta(minutes=10)}


def test_debounce_moves_the_moment_with_the_run(app: Rota, clock: ManualClock) -> None:
    app.job("index", start_within="1m")(lambda: None)
    run_due(app)
    call = app.options(key="k", debounce="10m")
    first = call.enqueue("index")
    clock.advance(minutes=9)
    assert call.enqueue("index").id == first.id
    assert within(app, first.id) == 60

    clock.advance(minutes=9)
    assert run_due(app) == []
    clock.advance(minutes=1)
    assert [run.state for run in run_due(app)] == ["succeeded"]


def test_a_persons_retry_brings_it_back_for_good(reminded: Rota, clock: ManualClock, start: Start) -> None:
    node = start(reminded)
    handle = reminded.enqueue("remind")
    with pytest.raises(RotaError, match="available"):
        reminded.runs.retry(handle.id, by="anna")
    clock.advance(hours=2)
    stage(node)
    reminded.runs.retry(handle.id, by="anna")
    clock.advance(days=2)
    stage(node)
    assert (handle.state, handle.record().expires_at) == ("available", None)

    work(node)
    finish(node)

    assert handle.state == "succeeded"


def test_the_stager_looks_again_when_the_next_one_expires(reminded: Rota, clock: ManualClock, start: Start) -> None:
    node = start(reminded)
    stager = next(each for each in node.duties if each.name == "stager")
    reminded.options(start_within="250ms").enqueue("remind")
    stager.tick()

    assert stager.interval == pytest.approx(0.25)
    clock.advance(seconds=1)
    assert stager.tick()
    assert not stager.tick()


def test_many_expire_in_parts(app: Rota, clock: ManualClock, start: Start) -> None:
    app.job("remind", start_within="1h")(lambda: None)
    node = start(app)
    app.enqueue_many("remind", [{}] * 1_500)
    clock.advance(hours=1)
    stage(node)
    assert len(app.runs.page(state="expired", limit=2_000)) == 1_000
    stage(node)

    assert len(app.runs.page(state="expired", limit=2_000)) == 1_500
    assert app.counters.figures().expired == 1_500
    with app.store.read() as tx:
        assert not any(queue.work for queue in queues.survey(tx, "host"))
