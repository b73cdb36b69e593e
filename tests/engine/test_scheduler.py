"""Each due moment gets exactly one verdict, in the transaction that makes its run: by any number of nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rota import Rota, Run, any_of, at, cron, every
from rota.calendar import Trigger
from rota.clock import from_us, to_us
from rota.engine.node import Node
from rota.engine.planner import COUNTED_AT_MOST, HARDLY_LATE_US, plan
from rota.engine.scheduler import Scheduler
from rota.model.schedule import Definition
from rota.store import fires, queues, runs, schedules
from rota.testing import ManualClock, captured_events, run_due
from tests.engine.helpers import kinds, verdicts

Start = Callable[..., Node]
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def scheduler(node: Node) -> Any:
    return next(each for each in node.duties if each.name == "scheduler")


def ledger(app: Rota, name: str) -> list[tuple[str, str]]:
    return verdicts(app, name)


# --- the plan, as arithmetic

TRIGGERS: list[Trigger] = [
    every("1m"),
    every("7m"),
    cron("*/5 * * * *"),
    cron("30 2 * * *", tz="Europe/Paris"),
    cron("0 */6 * * 1-5", tz="America/New_York"),
    any_of(every("1h"), cron("59 23 * * *")),
    at(NOON + timedelta(hours=3)),
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    trigger=st.sampled_from(TRIGGERS),
    downs=st.lists(st.integers(0, 3 * 86_400), min_size=1, max_size=8),
    catch_up=st.sampled_from(["latest", "none", "all"]),
    window=st.sampled_from([None, 60.0, 3_600.0, 10 * 86_400.0]),
    cap=st.sampled_from([1, 3, 100]),
)
def test_every_due_moment_of_any_period_has_exactly_one_verdict(
    trigger: Trigger, downs: list[int], catch_up: str, window: float | None, cap: int
) -> None:
    definition = Definition(job="job", trigger=trigger, catch_up=catch_up, catch_up_window=window,
                            catch_up_cap=cap)  # fmt: skip
    begun = now = watermark = to_us(NOON)
    judged: list[tuple[int, int, int | None, str]] = []

    for down in downs:
        now += down * 1_000_000 + 1
        step = plan(definition, watermark, now)
        assert step.watermark >= watermark
        assert step.next_due_at is None or step.next_due_at > now
        watermark = step.watermark
        judged += [(each.first, each.last, each.count, each.verdict) for each in step.moments]
        again = plan(definition, watermark, now)
        assert again.moments == []
        fired = [each.first for each in step.moments if each.verdict == "fired"]
        assert len(fired) <= (cap if catch_up == "all" else 1) or all(now - each <= HARDLY_LATE_US for each in fired)
        assert fired == sorted(fired)

    due = [to_us(moment) for moment in trigger.fires(from_us(begun), from_us(now))]
    covered: Counter[int] = Counter()
    for first, last, count, _ in judged:
        inside = [moment for moment in due if first <= moment <= last]
        assert inside[0] == first
        assert inside[-1] == last
        assert count == len(inside) or (count is None and len(inside) > COUNTED_AT_MOST)
        covered.update(inside)
    assert covered == Counter(due)


def test_a_month_of_downtime_of_an_every_second_schedule_is_judged_by_its_ends(app: Rota, clock: ManualClock) -> None:
    for catch_up in ("latest", "none", "all"):
        app.job(f"{catch_up}", schedule=every("1s"), catch_up=catch_up, overlap="allow")(lambda: None)
    run_due(app)

    clock.advance(days=30)
    scheduler_only(app)

    latest, none, everything = (list_of(app, name) for name in ("latest", "none", "all"))
    assert [verdict for verdict, _ in latest] == ["missed", "superseded", "fired"]
    assert latest[1][1] is None  # 86,400 are more than is worth counting
    assert [verdict for verdict, _ in none] == ["missed", "superseded", "fired"]
    assert none[1][1] == 60
    assert [verdict for verdict, _ in everything] == ["missed", "missed"] + ["fired"] * 100


def scheduler_only(app: Rota) -> None:
    from rota.engine.scheduler import Scheduler

    while Scheduler(app.store, app.enqueuer, app.node().identity).tick():
        pass


def list_of(app: Rota, name: str) -> list[tuple[str, int | None]]:
    fires = app.schedules.fires(name, limit=1_000)
    return [(fire.verdict, fire.moments) for fire in sorted(fires, key=lambda fire: fire.due_at)]


# --- catch-up

CATCH_UPS = [
    # policies, minutes away, verdicts
    ({"catch_up": "latest"}, 30, [("12:10:00-12:20:00 (2)", "superseded"), ("12:30:00", "fired")]),
    ({"catch_up": "latest"}, 10, [("12:10:00", "fired")]),
    ({"catch_up": "none"}, 30, [("12:10:00-12:20:00 (2)", "missed"), ("12:30:00", "fired")]),
    ({"catch_up": "none"}, 35, [("12:10:00-12:30:00 (3)", "missed")]),
    ({"catch_up": "all"}, 35, [("12:10:00", "fired"), ("12:20:00", "fired"), ("12:30:00", "fired")]),
    (
        {"catch_up": "all", "catch_up_cap": 2},
        35,
        [("12:10:00", "missed"), ("12:20:00", "fired"), ("12:30:00", "fired")],
    ),
    (
        {"catch_up": "all", "catch_up_window": "15m"},
        35,
        [("12:10:00", "missed"), ("12:20:00", "fired"), ("12:30:00", "fired")],
    ),
    ({"catch_up": "latest", "catch_up_window": "2m"}, 35, [("12:10:00-12:30:00 (3)", "missed")]),
]


@pytest.mark.parametrize(("policies", "minutes", "expected"), CATCH_UPS)
@pytest.mark.defect("ALL-4")
def test_what_was_missed_is_made_up_for_as_its_policy_says(
    app: Rota, clock: ManualClock, policies: dict[str, Any], minutes: int, expected: list[tuple[str, str]]
) -> None:
    done: list[str] = []

    @app.job(schedule=every("10m"), **policies)
    def job(run: Run) -> None:
        done.append(f"{run.due_at:%H:%M:%S}")

    run_due(app)
    clock.advance(minutes=minutes)
    run_due(app)

    assert ledger(app, "job") == expected
    assert done == [moment for moment, verdict in expected if verdict == "fired"]  # oldest first


@pytest.mark.defect("ALL-3", "ALL-4")
def test_what_was_missed_or_skipped_is_told_and_kept(app: Rota, clock: ManualClock) -> None:
    app.job("job", schedule=every("10m"), catch_up="none")(lambda: None)
    run_due(app)

    clock.advance(minutes=35)
    with captured_events(app, "fire.*") as told:
        run_due(app)

    [event] = told
    assert (event.kind, event.subject, event.data["moments"]) == ("fire.missed", "schedule:job", 3)
    assert app.schedules.events("job")[0].kind == "fire.missed"


# --- several nodes, odd clocks


def test_two_nodes_that_tick_at_will_fire_each_moment_once(app: Rota, start: Start, clock: ManualClock) -> None:
    app.job("job", schedule=every("10s"), overlap="allow", catch_up="all")(lambda: None)
    nodes = [start(app), start(app)]

    for step in range(30):
        clock.advance(seconds=(3, 11, 7)[step % 3])
        for node in (nodes, nodes[::-1], nodes[:1] * 3)[step % 3]:
            scheduler(node).tick()

    fires = app.schedules.fires("job", limit=1_000)
    due = list(every("10s").fires(NOON, clock.now()))
    assert sorted(fire.due_at for fire in fires) == [to_us(moment) for moment in due]
    runs = Counter(run.fire_due_at for run in app.runs.page(limit=1_000))
    assert runs == Counter(to_us(moment) for moment in due)


def test_a_node_that_lags_judges_nothing_again(app: Rota, start: Start, clock: ManualClock) -> None:
    """It read the schedule, was frozen, and goes on when another node has judged the same moments and more."""
    app.job("job", schedule=every("10s"), overlap="allow", catch_up="all")(lambda: None)
    frozen, other = start(app), start(app)
    clock.advance(seconds=25)
    with app.store.read() as tx:
        now = app.store.now_us()
        read = schedules.due(tx, app.name, [], now, 10) if "sqlite" in app.settings.database.url else None
    if read is None:
        with app.store.write() as tx:
            read = schedules.due(tx, app.name, [], now, 10)
    due = [scheduler(frozen)._judge(each, now, {}) for each in read]
    clock.advance(seconds=60)
    scheduler(other).tick()
    before = app.schedules.get("job"), app.schedules.fires("job", limit=100), len(app.runs.page(limit=100))

    with app.store.write() as tx:
        scheduler(frozen)._fire(tx, due, now)

    assert before == (app.schedules.get("job"), app.schedules.fires("job", limit=100), len(app.runs.page(limit=100)))


def test_a_moment_that_was_judged_is_not_judged_again_when_its_fire_is_pruned(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("job", schedule=every("10s"), overlap="allow")(lambda: None)
    node = start(app)
    clock.advance(seconds=10)
    scheduler(node).tick()
    with app.store.write() as tx:
        assert fires.prune(tx, 2**60, 10) == 1

    scheduler(node).tick()
    clock.advance(seconds=-5)
    scheduler(node).tick()

    assert app.schedules.fires("job") == []
    assert len(app.runs.page()) == 1


def test_a_clock_that_steps_back_fires_nothing_twice_and_moves_no_watermark(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("job", schedule=every("1m"), overlap="allow")(lambda: None)
    node = start(app)
    marks = []

    for step in (60, 60, -300, 60, 60, 60, 240):
        clock.advance(seconds=step)
        scheduler(node).tick()
        marks.append(app.schedules.get("job").watermark)

    assert marks == sorted(marks)
    fires = [fire.due_at for fire in app.schedules.fires("job", limit=100)]
    assert len(fires) == len(set(fires))
    assert len(app.runs.page(limit=100)) == len([f for f in app.schedules.fires("job") if f.verdict == "fired"])


# --- daylight saving, through the whole engine

PARIS = ZoneInfo("Europe/Paris")


def test_a_day_without_half_past_two_and_one_with_two_of_them(app: Rota, clock: ManualClock) -> None:
    """29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00 again."""
    done: dict[str, list[str]] = {}
    policies = {
        "after-gap": cron("30 2 * * *", tz="Europe/Paris"),
        "skip": cron("30 2 * * *", tz="Europe/Paris", gap="skip"),
        "both": cron("30 2 * * *", tz="Europe/Paris", overlap="both"),
        "second": cron("30 2 * * *", tz="Europe/Paris", overlap="second"),
        "half-hourly": cron("*/30 * * * *", tz="Europe/Paris"),
    }
    for name, trigger in policies.items():

        def body(run: Run, name: str = name) -> None:
            done.setdefault(name, []).append(f"{run.due_at.astimezone(PARIS):%d %H:%M%z}")

        app.job(name, schedule=trigger, overlap="allow", catch_up="all")(body)

    for day in (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        clock.set(day)
        run_due(app)
        done.clear()
        for _ in range(12):
            clock.advance(minutes=30)
            run_due(app)
        half_hourly = done.pop("half-hourly")
        assert len(half_hourly) == len(set(half_hourly)) == 12
        if day.month == 3:
            assert done == {"after-gap": ["29 03:00+0200"], "both": ["29 03:00+0200"], "second": ["29 03:00+0200"]}
        else:
            assert done == {
                "after-gap": ["25 02:30+0200"],
                "skip": ["25 02:30+0200"],
                "both": ["25 02:30+0200", "25 02:30+0100"],
                "second": ["25 02:30+0100"],
            }


# --- jitter


def test_jitter_spreads_inside_its_window_and_is_the_same_on_every_node() -> None:
    definition = Definition(job="job", trigger=TRIGGERS[0], jitter=300.0)
    shifts = [definition.jitter_us("nightly", minute * 60_000_000) for minute in range(500)]

    assert shifts == [replace(definition).jitter_us("nightly", minute * 60_000_000) for minute in range(500)]
    assert all(0 <= shift < 300_000_000 for shift in shifts)
    assert len(set(shifts)) == 500
    assert 130_000_000 < sum(shifts) / 500 < 170_000_000
    assert definition.jitter_us("other", 0) != definition.jitter_us("nightly", 0)


def test_a_fire_with_jitter_waits_for_its_shift_and_stands_for_its_moment(app: Rota, clock: ManualClock) -> None:
    seen: list[datetime] = []
    app.job("job", schedule=every("1h"), jitter="10m")(lambda run: seen.append(run.due_at))
    run_due(app)

    clock.advance(hours=1)
    run_due(app)
    [run] = app.runs.page()
    shift = run.due_at - to_us(NOON + timedelta(hours=1))
    assert 0 < shift < 600_000_000
    assert (run.state, seen) == ("scheduled", [])
    clock.advance(seconds=shift / 1e6 + 0.001)
    run_due(app)

    assert seen == [NOON + timedelta(hours=1)]


# --- overlap


def busy(app: Rota, clock: ManualClock, minutes: int, **policies: Any) -> None:
    """A schedule each minute, whose runs nobody works off."""
    app.job("job", schedule=every("1m"), **policies)(lambda **_: None)
    app.prepare()
    for _ in range(minutes):
        clock.advance(minutes=1)
        scheduler_only(app)


OVERLAPS = [
    ("skip", ["fired", "skipped", "skipped"], ["available"]),
    ("queue_one", ["fired", "skipped", "skipped"], ["available"]),
    ("queue_all", ["fired", "fired", "fired"], ["available"] * 3),
    ("allow", ["fired", "fired", "fired"], ["available"] * 3),
    ("cancel_running", ["fired", "fired", "fired"], ["cancelled", "cancelled", "available"]),
]


@pytest.mark.parametrize(("overlap", "expected", "states"), OVERLAPS)
def test_a_due_moment_meets_an_earlier_run_that_waits(
    app: Rota, clock: ManualClock, overlap: str, expected: list[str], states: list[str]
) -> None:
    busy(app, clock, 3, overlap=overlap)

    assert [verdict for _, verdict in ledger(app, "job")] == expected
    runs = app.runs.page()[::-1]
    assert [run.state for run in runs] == states
    for run in runs:
        assert kinds(app, run.id) == (["run.cancelled"] if run.state == "cancelled" else [])


OVERLAPS_RUNNING = [
    ("skip", ["fired", "skipped", "skipped"], ["running"]),
    ("queue_one", ["fired", "fired", "skipped"], ["running", "available"]),
    ("queue_all", ["fired", "fired", "fired"], ["running", "available", "available"]),
    ("allow", ["fired", "fired", "fired"], ["running", "available", "available"]),
    ("cancel_running", ["fired", "fired", "fired"], ["running", "cancelled", "available"]),
]


@pytest.mark.parametrize(("overlap", "expected", "states"), OVERLAPS_RUNNING)
def test_a_due_moment_meets_an_earlier_run_that_runs(
    app: Rota, clock: ManualClock, start: Start, overlap: str, expected: list[str], states: list[str]
) -> None:
    busy(app, clock, 1, overlap=overlap)
    node = start(app)
    node.claimer.claim({"thread": 4})  # and no body comes to its end
    for _ in range(2):
        clock.advance(minutes=1)
        scheduler_only(app)
    node.claimer.claim({"thread": 4})

    assert [verdict for _, verdict in ledger(app, "job")] == expected
    runs = app.runs.page()[::-1]
    expected_states = ["running"] * 3 if overlap == "allow" else states
    assert [run.state for run in runs] == expected_states  # but for allow, one at a time
    asked = runs[0].cancel_at is not None
    assert asked == (overlap == "cancel_running")
    assert ("run.cancel_requested" in kinds(app, runs[0].id)) == asked


def test_overlap_is_judged_key_by_key(app: Rota, clock: ManualClock) -> None:
    app.job("sync", overlap="skip", concurrency_key=lambda city: city)(lambda city: None)
    app.prepare()
    for city in ("Lyon", "Nice"):
        app.schedules.add(f"sync-{city}", "sync", every("1m"), arguments={"city": city})
    app.enqueue("sync", city="Lyon")

    clock.advance(minutes=1)
    scheduler_only(app)

    assert [verdict for _, verdict in ledger(app, "sync-Lyon")] == ["skipped"]
    assert [verdict for _, verdict in ledger(app, "sync-Nice")] == ["fired"]


def test_catching_up_on_all_moments_makes_a_run_of_each_though_overlap_is_skip(app: Rota, clock: ManualClock) -> None:
    """They were missed together, so none of them is the earlier one that skips the others: they run one by one."""
    together: list[int] = []
    running: list[int] = []

    def body(run: Run) -> None:
        running.append(run.id)
        together.append(len(running))
        running.remove(run.id)

    app.job("job", schedule=every("1m"), overlap="skip", catch_up="all")(body)
    run_due(app)

    clock.advance(minutes=5)
    run_due(app)

    assert [verdict for _, verdict in ledger(app, "job")] == ["fired"] * 5
    assert together == [1] * 5


def test_moments_that_do_not_fire_cancel_nothing(app: Rota, clock: ManualClock) -> None:
    app.job("job", schedule=every("1h"), overlap="cancel_running", catch_up="none")(lambda: None)
    app.prepare()
    handle = app.enqueue("job")

    clock.advance(hours=2, minutes=30)
    scheduler_only(app)

    assert [verdict for _, verdict in ledger(app, "job")] == ["missed"]
    assert handle.state == "available"


def test_a_child_of_a_batch_that_overlap_cancels_is_counted(app: Rota, clock: ManualClock) -> None:
    app.job("child", schedule=every("1h"), overlap="cancel_running")(lambda: None)
    app.job("parent")(lambda run: run.fan_out("child", [{}, {}]))
    app.job("idle", queue="idle")(lambda: None)
    run_due(app)
    app.queues.pause("default", "anna")
    with app.store.write() as tx:
        queues.ensure(tx, ["open"])
    app.options(queue="open").enqueue("parent")
    run_due(app)

    clock.advance(hours=1)
    run_due(app)

    assert app.runs.batch(app.runs.page(job="child")[-1].batch_id or 0)["cancelled"] == 2


# --- schedules that do not fit


def test_a_schedule_that_does_not_fit_its_job_any_more_keeps_no_other_from_firing(
    open_app: Callable[..., Rota], ledger_url: str, clock: ManualClock
) -> None:
    before = open_app(ledger_url)
    before.job("sync", concurrency_key=lambda city: city)(lambda city: None)
    before.job("count", concurrency_key=lambda **kw: 1 / 0 if kw.get("n") else "")(lambda n=0: None)
    before.prepare()
    before.schedules.add("sync-lyon", "sync", every("1m"), arguments={"city": "Lyon"})
    after = open_app(ledger_url)
    after.job("sync")(lambda town: None)
    after.job("count", concurrency_key=lambda: 1 / 0, schedule=every("1m"))(lambda n=0: None)
    after.job("other", schedule=every("1m"))(lambda: None)
    run_due(after)

    clock.advance(minutes=1)
    done = run_due(after)

    assert [run.job for run in done] == ["other"]
    [fire] = after.schedules.fires("sync-lyon")
    assert fire.verdict == "skipped"
    assert fire.reason == "no run can be made: job 'sync' takes no argument 'city'"
    [fire] = after.schedules.fires("count")
    assert "ZeroDivisionError" in (fire.reason or "")
    assert [event.kind for event in after.schedules.events("sync-lyon")] == ["fire.skipped", "schedule.added"]


def test_a_schedule_that_newer_code_wrote_waits_for_somebody_who_can_read_it(app: Rota, clock: ManualClock) -> None:
    app.job("job", schedule=every("1m"), catch_up="all")(lambda: None)
    app.job("other", schedule=every("1m"), overlap="allow")(lambda: None)
    run_due(app)
    with app.store.database.exclusive() as tx:
        tx.script("UPDATE rota_schedule SET definition = replace(definition, 'every', 'moon') WHERE name = 'job';")

    clock.advance(minutes=2)
    scheduler_only(app)
    scheduler_only(app)
    assert app.schedules.fires("job") == []
    assert len(app.schedules.fires("other")) == 2
    with app.store.database.exclusive() as tx:
        tx.script("UPDATE rota_schedule SET definition = replace(definition, 'moon', 'every') WHERE name = 'job';")
    clock.advance(minutes=1)
    run_due(app)

    assert [verdict for _, verdict in ledger(app, "job")] == ["fired"] * 3


def test_a_schedule_of_a_job_that_is_not_here_is_left_to_those_who_know_it(
    open_app: Callable[..., Rota], ledger_url: str, clock: ManualClock, start: Start
) -> None:
    knows = open_app(ledger_url, name="one")
    knows.job("one", schedule=every("1m"))(lambda: None)
    knows.prepare()
    other = open_app(ledger_url, name="two")
    node = start(other)

    clock.advance(minutes=1)
    scheduler(node).tick()

    assert knows.schedules.fires("one") == []
    assert scheduler(node).interval >= 1  # and nobody is kept awake by it
    scheduler_only(knows)
    assert len(knows.schedules.fires("one")) == 1


def test_a_busy_concurrency_is_no_overlap_for_schedules_that_share_a_job(database_url: str) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    rota = Rota(database_url, clock=clock)
    rota.job("sync", concurrency=2)(lambda shop: shop)
    rota.prepare()
    rota.schedules.add_many({f"shop-{n}": {"shop": n} for n in range(8)}, "sync", every("1h"))
    scheduler = Scheduler(rota.store, rota.enqueuer, rota.node().identity)

    clock.advance(hours=1)
    scheduler.tick()
    clock.advance(hours=1)
    scheduler.tick()

    verdicts = [[fire.verdict for fire in rota.schedules.fires(f"shop-{n}")] for n in range(8)]
    assert verdicts == [["skipped", "fired"]] * 8  # each met its own earlier run, which nobody has done
    with rota.store.write() as tx:
        runs.cancel_waiting_by_key(tx, "job:sync", rota.store.now_us(), "")
    rota.handles["sync"].enqueue_many([{"shop": 0}] * 5)
    clock.advance(hours=1)
    scheduler.tick()
    assert {rota.schedules.fires(f"shop-{n}")[0].verdict for n in range(8)} == {"fired"}
