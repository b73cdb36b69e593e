"""Schedules that people make and change while the code makes its own: pause, edit, reset, redeploy, environments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota import Rota, Run, every
from rota.engine.node import Node
from rota.errors import ConfigError, ConflictError, NotFoundError, PayloadError
from rota.store import nodes
from rota.testing import ManualClock, captured_events, run_due
from tests.engine.helpers import verdicts, work

Open = Callable[..., Rota]
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def deployed(open_app: Open, url: str, jobs: dict[str, dict[str, Any]], **options: Any) -> Rota:
    """An application as one version of the code declares it, started."""
    app = open_app(url, **options)
    for name, policies in jobs.items():
        app.job(name, **policies)(lambda **_: None)
    run_due(app)
    return app


def stopped(app: Rota) -> Rota:
    """Its node is no more."""
    with app.store.write() as tx:
        for each in nodes.alive(tx):
            nodes.stop(tx, each.id, app.store.now_us())
    return app


HOURLY = {"report": {"schedule": every("1h"), "overlap": "allow"}}
MINUTELY = {"report": {"schedule": every("1m"), "overlap": "allow"}}


def moments(app: Rota, name: str = "report") -> list[str]:
    return [moment for moment, verdict in verdicts(app, name) if verdict == "fired"]


# --- pause


def test_a_paused_schedule_fires_nothing_and_writes_one_range_when_it_goes_on(app: Rota, clock: ManualClock) -> None:
    app.job("report", schedule=every("10m"), overlap="allow")(lambda: None)
    run_due(app)
    clock.advance(minutes=10)
    run_due(app)
    app.schedules.pause("report", by="anna", why="the disk is full")

    clock.advance(hours=1, minutes=5)
    assert run_due(app) == []
    record = app.schedules.get("report")
    assert (record.paused_by, record.paused_why) == ("anna", "the disk is full")
    assert app.schedules.next_fires("report") == []
    app.schedules.resume("report", by="ben")
    run_due(app)
    clock.advance(minutes=5)
    run_due(app)

    assert verdicts(app, "report") == [
        ("12:10:00", "fired"),
        ("12:20:00-13:10:00 (6)", "skipped"),
        ("13:20:00", "fired"),
    ]
    [skipped] = [fire for fire in app.schedules.fires("report") if fire.verdict == "skipped"]
    assert skipped.reason == "paused by anna: the disk is full"
    told = [(event.kind, event.actor) for event in app.schedules.events("report")]
    assert told == [("schedule.resumed", "ben"), ("schedule.paused", "anna")]


def test_pausing_twice_and_resuming_what_goes_on_are_conflicts(app: Rota) -> None:
    app.job("report", schedule=every("1h"))(lambda: None)
    app.prepare()

    with pytest.raises(ConflictError, match="is not paused"):
        app.schedules.resume("report", by="anna")
    app.schedules.pause("report", by="anna")
    with pytest.raises(ConflictError, match="is paused already"):
        app.schedules.pause("report", by="anna")


def test_a_paused_queue_starts_nothing_lets_what_runs_go_on_and_says_who_and_why(app: Rota, clock: ManualClock) -> None:
    app.job("report", schedule=every("1h"), overlap="allow")(lambda: None)
    run_due(app)
    app.queues.pause("default", by="anna", why="migration")

    clock.advance(hours=1)
    run_due(app)
    [run] = app.runs.page()
    assert run.state == "available"
    record = app.queues.get("default")
    assert (record.paused_by, record.paused_why) == ("anna", "migration")
    app.queues.resume("default", by="ben")
    run_due(app)

    assert app.runs.get(run.id).state == "succeeded"
    with pytest.raises(ConflictError):
        app.queues.resume("default", by="ben")
    with pytest.raises(NotFoundError):
        app.queues.pause("defualt", by="ben")


# --- made at run time


def test_a_schedule_made_at_run_time_fires_until_it_is_removed(app: Rota, clock: ManualClock) -> None:
    seen: list[str] = []
    app.job("sync")(lambda city: seen.append(city))
    run_due(app)
    app.schedules.add("lyon", "sync", every("1h"), by="anna", arguments={"city": "Lyon"})
    with pytest.raises(ConflictError, match="'lyon' already"):
        app.schedules.add("lyon", "sync", every("2h"), arguments={"city": "Nice"})

    clock.advance(hours=1)
    run_due(app)
    app.schedules.remove("lyon", by="anna")
    clock.advance(hours=3)
    run_due(app)
    assert seen == ["Lyon"]
    assert [name for name, _ in verdicts(app, "lyon")] == ["13:00:00"]  # its fires stay
    app.schedules.add("lyon", "sync", every("1h"), arguments={"city": "Lyon, again"})
    clock.advance(hours=1)
    run_due(app)

    assert seen == ["Lyon", "Lyon, again"]
    assert moments(app, "lyon") == ["13:00:00", "17:00:00"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": "x", "job": "snyc"}, NotFoundError),
        ({"name": "x", "job": "sync", "arguments": {"town": 1}}, PayloadError),
        ({"name": "x", "job": "sync", "arguments": {"city": object()}}, PayloadError),
        ({"name": "x", "job": "sync"}, PayloadError),
        ({"name": "x", "job": "sync", "arguments": {"city": "x"}, "overlap": "sometimes"}, ConfigError),
        ({"name": "x", "job": "sync", "arguments": {"city": "x"}, "catch_up_cap": 0}, ConfigError),
    ],
)
def test_a_schedule_that_could_never_run_is_refused(
    lite: Rota, arguments: dict[str, Any], error: type[Exception]
) -> None:
    lite.job("sync")(lambda city: None)
    lite.prepare()

    with pytest.raises(error):
        lite.schedules.add(trigger=every("1h"), **arguments)
    assert lite.schedules.page() == []


def test_many_schedules_are_made_at_once_and_names_that_are_taken_left_out(app: Rota, clock: ManualClock) -> None:
    seen: list[int] = []
    app.job("sync")(lambda n: seen.append(n))
    run_due(app)

    added = app.schedules.add_many({f"s{n}": {"n": n} for n in range(3)}, "sync", every("1h"))
    again = app.schedules.add_many({f"s{n}": {"n": n} for n in range(5)}, "sync", every("1h"))
    clock.advance(hours=1)
    run_due(app)

    assert (sorted(added), sorted(again)) == (["s0", "s1", "s2"], ["s3", "s4"])
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_what_was_removed_can_be_looked_at_and_not_changed(app: Rota) -> None:
    app.job("sync")(lambda: None)
    app.prepare()
    app.schedules.add("s", "sync", every("1h"))
    app.schedules.remove("s", by="anna")

    assert app.schedules.get("s").removed_at is not None
    assert app.schedules.fires("s") == []
    for step in (
        lambda: app.schedules.edit("s", by="anna", overlap="allow"),
        lambda: app.schedules.pause("s", by="anna"),
        lambda: app.schedules.resume("s", by="anna"),
        lambda: app.schedules.remove("s", by="anna"),
        lambda: app.schedules.run_now("s", by="anna"),
        lambda: app.schedules.reset("s", by="anna"),
    ):
        with pytest.raises((NotFoundError, ConflictError), match="removed"):
            step()
    assert app.schedules.get("s").removed_at is not None


# --- by hand


def test_a_run_by_hand_is_now_uses_up_no_moment_and_names_who_asked(app: Rota, clock: ManualClock) -> None:
    app.job("report", schedule=every("1h"), jitter="30m", overlap="allow")(lambda: None)
    run_due(app)

    [run_id] = app.schedules.run_now("report", by="anna")
    run_due(app)

    assert (app.runs.get(run_id).state, app.runs.get(run_id).asked_by) == ("succeeded", "anna")
    [fire] = app.schedules.fires("report")
    assert (fire.kind, fire.reason) == ("manual", "asked for by anna")
    clock.advance(hours=2)
    run_due(app)
    assert [fire.kind for fire in app.schedules.fires("report")].count("due") == 2


def test_a_backfill_makes_a_run_of_each_past_moment_once(app: Rota, clock: ManualClock) -> None:
    seen: list[datetime] = []
    app.job("report", schedule=every("1h"), overlap="allow")(lambda run: seen.append(run.due_at))
    run_due(app)
    day = NOON - timedelta(days=1)

    first = app.schedules.backfill("report", day, day + timedelta(hours=3), by="anna")
    again = app.schedules.backfill("report", day + timedelta(hours=2), day + timedelta(hours=5), by="anna")
    run_due(app)

    assert (len(first), len(again)) == (4, 2)
    assert seen == [day + timedelta(hours=hour) for hour in range(6)]
    with pytest.raises(ConfigError, match="future"):
        app.schedules.backfill("report", NOON, NOON + timedelta(hours=1), by="anna")
    with pytest.raises(ConfigError, match="10,000"):
        app.schedules.backfill("report", NOON - timedelta(days=500), NOON, by="anna")


# --- deployments


def test_the_same_code_again_changes_nothing(open_app: Open, ledger_url: str, clock: ManualClock) -> None:
    before = deployed(open_app, ledger_url, HOURLY).schedules.get("report")

    clock.advance(minutes=59)
    after = deployed(open_app, ledger_url, HOURLY)

    assert after.schedules.get("report") == before
    clock.advance(minutes=1)
    run_due(after)
    assert moments(after) == ["13:00:00"]


def test_a_changed_trigger_counts_from_the_deployment_on(open_app: Open, ledger_url: str, clock: ManualClock) -> None:
    deployed(open_app, ledger_url, HOURLY)

    clock.advance(minutes=30)
    app = deployed(open_app, ledger_url, MINUTELY)
    clock.advance(minutes=2)
    run_due(app)

    assert verdicts(app, "report") == [("12:31:00", "superseded"), ("12:32:00", "fired")]


def test_a_persons_edit_survives_that_its_schedule_was_gone_for_a_while(
    open_app: Open, ledger_url: str, clock: ManualClock
) -> None:
    app = deployed(open_app, ledger_url, HOURLY)
    app.schedules.edit("report", by="anna", trigger=every("15m"))
    stopped(app)
    [gone] = open_app(ledger_url).prepare()
    clock.advance(hours=1)
    back = open_app(ledger_url)
    back.job("report", **HOURLY["report"])(lambda: None)
    [kept] = back.prepare()
    record = back.schedules.get("report")

    assert (gone.kind, kept.kind, kept.data["edited_by"]) == ("schedule.removed", "schedule.kept", "anna")
    assert (record.edited_by, record.removed_at) == ("anna", None)
    assert "15" in record.definition
    assert back.prepare() == []


def test_a_persons_edit_survives_a_deployment_that_says_so_until_it_is_reset(
    open_app: Open, ledger_url: str, clock: ManualClock
) -> None:
    app = deployed(open_app, ledger_url, HOURLY)
    app.schedules.edit("report", by="anna", trigger=every("15m"))
    same = open_app(ledger_url)
    same.job("report", **HOURLY["report"])(lambda: None)
    assert same.prepare() == []  # the code says what it said: nothing to tell

    newer = open_app(ledger_url)
    newer.job("report", **MINUTELY["report"])(lambda: None)
    [told] = newer.prepare()
    assert (told.kind, told.data["edited_by"]) == ("schedule.kept", "anna")
    assert newer.prepare() == []  # once
    clock.advance(minutes=15)
    run_due(newer)
    assert moments(newer) == ["12:15:00"]
    record = newer.schedules.reset("report", by="anna")
    assert record.edited_by is None
    clock.advance(minutes=1)
    run_due(newer)

    assert moments(newer) == ["12:15:00", "12:16:00"]


def test_a_schedule_that_is_gone_from_the_code_is_removed_and_comes_back_with_it(
    open_app: Open, ledger_url: str, clock: ManualClock
) -> None:
    stopped(deployed(open_app, ledger_url, HOURLY))
    gone = open_app(ledger_url)
    gone.job("report")(lambda: None)
    [told] = gone.prepare()
    assert (told.kind, told.data["why"]) == ("schedule.removed", "gone from the code")

    clock.advance(hours=2)
    run_due(gone)
    assert verdicts(gone, "report") == []
    back = deployed(open_app, ledger_url, HOURLY)
    clock.advance(hours=1)
    run_due(back)

    assert moments(back) == ["15:00:00"]


def test_a_pause_survives_deployments(open_app: Open, ledger_url: str, clock: ManualClock) -> None:
    deployed(open_app, ledger_url, HOURLY).schedules.pause("report", by="anna")

    app = deployed(open_app, ledger_url, MINUTELY)
    clock.advance(hours=1)
    run_due(app)

    assert app.schedules.get("report").paused_by == "anna"
    assert moments(app) == []


def test_two_applications_on_one_database_keep_off_each_others_schedules(
    open_app: Open, ledger_url: str, clock: ManualClock
) -> None:
    one = deployed(open_app, ledger_url, HOURLY, name="one")
    two = deployed(open_app, ledger_url, {"mail": {"schedule": every("1h"), "overlap": "allow"}}, name="two")

    clock.advance(hours=1)
    run_due(two)
    run_due(one)

    assert (moments(one), moments(two, "mail")) == (["13:00:00"], ["13:00:00"])
    assert one.schedules.get("mail").removed_at is None


# --- environments


@pytest.mark.defect("LP-B2", "LP-B8")
def test_a_job_that_is_off_in_an_environment_runs_by_hand_alone_and_that_is_audited(
    open_app: Open, ledger_url: str, clock: ManualClock
) -> None:
    app = open_app(ledger_url, environment="staging")
    app.job("report", schedule=every("1h"), environments=["production"])(lambda: 1)
    app.job("count", schedule=every("1h"))(lambda: 1)
    run_due(app)
    clock.advance(hours=1)

    assert [run.job for run in run_due(app)] == ["count"]
    with pytest.raises(ConflictError, match="off in the environment 'staging'"):
        app.trigger("report")
    with captured_events(app, "run.forced") as told:
        handle = app.options(force_disabled=True, by="anna").trigger("report")
    run_due(app)

    assert handle.result == 1
    [event] = told
    assert (event.actor, event.data["environment"]) == ("anna", "staging")
    assert app.runs.events(handle.id)[0].kind == "run.forced"


@pytest.mark.parametrize("change", ["add", "pause and resume", "edit", "reset"])
def test_no_change_by_hand_switches_a_job_on_that_is_off_here(
    open_app: Open, ledger_url: str, clock: ManualClock, change: str
) -> None:
    app = open_app(ledger_url, environment="staging")
    app.job("report", schedule=every("1h"), environments=["production"])(lambda: 1)
    run_due(app)
    name = "report"
    match change:
        case "add":
            name = "mine"
            app.schedules.add(name, "report", every("1h"))
        case "pause and resume":
            app.schedules.pause(name, by="anna")
            app.schedules.resume(name, by="anna")
        case "edit":
            app.schedules.edit(name, by="anna", trigger=every("2h"))
        case "reset":
            app.schedules.reset(name, by="anna")

    clock.advance(hours=2)
    run_due(app)

    assert app.runs.page() == []
    assert {fire.verdict for fire in app.schedules.fires(name)} <= {"skipped", "superseded"}
    assert all("off in the environment staging" in (fire.reason or "") for fire in app.schedules.fires(name)[:1])


def test_a_job_that_is_switched_on_counts_from_then_on(open_app: Open, ledger_url: str, clock: ManualClock) -> None:
    jobs = {"report": {"schedule": every("1h"), "overlap": "allow", "environments": ["production"]}}
    deployed(open_app, ledger_url, jobs, environment="staging")

    clock.advance(hours=5, minutes=30)
    open_app(ledger_url).adopt("production", by="anna")
    app = deployed(open_app, ledger_url, jobs, environment="production")
    clock.advance(minutes=30)
    run_due(app)

    assert verdicts(app, "report") == [("13:00:00-17:00:00 (5)", "skipped"), ("18:00:00", "fired")]


@pytest.mark.parametrize(
    ("environment", "modes"),
    [
        (None, {"delete": (False, False), "mail": (False, False), "both": (False, False)}),
        ("production", {"delete": (False, False), "mail": (False, False), "both": (False, False)}),
        ("staging", {"delete": (True, True), "mail": (False, True), "both": (True, True)}),
    ],
)
@pytest.mark.defect("LP-B2")
def test_in_staging_what_destroys_only_looks_and_what_sends_keeps_still(
    open_app: Open, sqlite_ledger: str, environment: str | None, modes: dict[str, tuple[bool, bool]]
) -> None:
    seen: dict[str, tuple[bool, bool]] = {}
    app = open_app(sqlite_ledger, environment=environment)
    for name, policies in {
        "delete": {"destructive": True},
        "mail": {"sends": True},
        "both": {"destructive": True, "sends": True},
    }.items():

        def body(run: Run, name: str = name) -> None:
            seen[name] = (run.dry_run, run.muted)

        app.job(name, **policies)(body)
        app.enqueue(name, name=name)
    run_due(app)
    assert seen == modes

    app.options(dry_run=True).enqueue("mail")
    run_due(app)
    assert seen["mail"] == (True, True)


@pytest.mark.parametrize("asker", ["production", None])
def test_the_node_looks_itself_where_it_is_whoever_asked(
    open_app: Open, ledger_url: str, asker: str | None, start: Callable[..., Node]
) -> None:
    seen: dict[str, tuple[bool, bool]] = {}

    def declared(environment: str | None) -> Rota:
        app = open_app(ledger_url, environment=environment)
        for name, policies in {"mail": {"sends": True}, "delete": {"destructive": True}}.items():

            def body(run: Run, name: str = name) -> None:
                seen[name] = (run.dry_run, run.muted)

            app.job(name, environments=["production"], **policies)(body)
        return app

    here = declared("development")
    node = start(here)
    other = declared(asker)
    other.enqueue("mail")
    other.enqueue("delete")
    work(node)
    work(node)

    assert seen == {"mail": (False, True), "delete": (True, True)}


@pytest.mark.parametrize("how", ["by another job", "by hand"])
def test_where_a_job_is_off_it_neither_sends_nor_destroys_whoever_asks_for_it(
    open_app: Open, ledger_url: str, how: str
) -> None:
    seen: dict[str, tuple[bool, bool]] = {}
    app = open_app(ledger_url, environment="development")

    @app.job("mail", sends=True, environments=["production"])
    def mail(run: Run) -> None:
        seen["mail"] = (run.dry_run, run.muted)

    @app.job("delete", destructive=True, environments=["production"])
    def delete(run: Run) -> None:
        seen["delete"] = (run.dry_run, run.muted)

    @app.job
    def sync() -> None:
        mail.enqueue()
        delete.options(key="once").enqueue()

    if how == "by hand":
        mail.options(force_disabled=True, by="anna").trigger()
        delete.options(force_disabled=True, by="anna").trigger()
    else:
        sync.trigger()
    run_due(app)
    run_due(app)

    assert seen == {"mail": (False, True), "delete": (True, True)}
