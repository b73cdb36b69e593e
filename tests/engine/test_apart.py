"""What the database refuses of one row keeps no other from its turn, and is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rota import Rota, Run, every
from rota.app.items import schedule_item
from rota.engine.node import Node
from rota.errors import ConfigError
from rota.testing import ManualClock, run_due
from tests.engine.helpers import verdicts

Open = Callable[..., Rota]
Start = Callable[..., Node]


def refuse(app: Rota, change: str, table: str, condition: str) -> None:
    """From now on the database takes no such row."""
    kind = app.store.database.facts()["kind"]
    with app.store.database.exclusive() as tx:
        if kind == "SQLite":
            tx.script(
                f"CREATE TRIGGER refused BEFORE {change} ON {table} WHEN {condition}"
                " BEGIN SELECT RAISE(ABORT, 'it is not wanted'); END;"
            )
            return
        tx.script(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'it is not wanted'; END$$;"
        )
        tx.script(
            f"CREATE TRIGGER refused BEFORE {change} ON {table}"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse();"
        )


def allow(app: Rota, table: str) -> None:
    on = "" if app.store.database.facts()["kind"] == "SQLite" else f" ON {table}"
    with app.store.database.exclusive() as tx:
        tx.script(f"DROP TRIGGER refused{on};")


@pytest.fixture
def refused(app: Rota) -> Any:
    """``refuse`` for one table; taken back at the end, as the database is shared."""
    tables: list[str] = []

    def refuse_(change: str, table: str, condition: str) -> None:
        refuse(app, change, table, condition)
        tables.append(table)

    yield refuse_
    for table in tables:
        allow(app, table)


def test_a_schedule_whose_run_the_database_refuses_is_set_aside_and_stops_no_other(
    app: Rota, refused: Any, clock: ManualClock
) -> None:
    for number in range(5):
        app.job(f"job-{number}", schedule=every("1m"), overlap="allow", catch_up="all")(lambda: None)
    run_due(app)
    refused("INSERT", "rota_run", "NEW.schedule = 'job-2'")

    clock.advance(minutes=1)
    done = run_due(app)
    assert sorted(run.job for run in done) == ["job-0", "job-1", "job-3", "job-4"]
    clock.advance(seconds=30)
    app.schedules.add("late", "job-0", every("1m"))
    clock.advance(seconds=31)
    run_due(app)

    record = app.schedules.get("job-2")
    assert verdicts(app, "job-2") == []
    assert "it is not wanted" in (record.aside_why or "")
    assert schedule_item(record)["state"] == "set_aside"
    assert "it is not wanted" in app.why_schedule("job-2").summary
    [reason] = [each for each in app.status().reasons if each.kind == "schedule_set_aside"]
    assert "job-2" in reason.text
    assert [event.kind for event in app.schedules.events("job-2")] == ["schedule.set_aside"]  # told once


def test_what_was_set_aside_goes_on_when_the_database_takes_it(app: Rota, clock: ManualClock) -> None:
    app.job("job", schedule=every("1m"), overlap="allow", catch_up="all")(lambda: None)
    app.job("other", schedule=every("1m"), overlap="allow")(lambda: None)
    run_due(app)
    refuse(app, "INSERT", "rota_run", "NEW.schedule = 'job'")
    clock.advance(minutes=1)
    run_due(app)

    allow(app, "rota_run")
    clock.advance(seconds=61)
    run_due(app)

    assert [verdict for _, verdict in verdicts(app, "job")] == ["fired", "fired"]
    assert app.schedules.get("job").aside_why is None
    assert [each for each in app.status().reasons if each.kind == "schedule_set_aside"] == []


def test_an_edit_gives_what_was_set_aside_another_try_at_once(app: Rota, refused: Any, clock: ManualClock) -> None:
    app.job("job", schedule=every("1m"), overlap="allow")(lambda: None)
    app.job("other", schedule=every("1m"), overlap="allow")(lambda: None)
    run_due(app)
    refused("INSERT", "rota_run", "NEW.priority = 7")
    app.schedules.edit("job", by="anna", priority=7)
    clock.advance(minutes=1)
    run_due(app)
    assert app.schedules.get("job").aside_why is not None

    app.schedules.edit("job", by="anna", priority=8)

    assert [run.job for run in run_due(app)] == ["job"]


def test_where_all_is_refused_no_schedule_is_to_blame(
    app: Rota, refused: Any, start: Start, clock: ManualClock
) -> None:
    for number in range(3):
        app.job(f"job-{number}", schedule=every("1m"))(lambda: None)
    node = start(app)
    refused("INSERT", "rota_run", "NEW.priority < 1000")
    clock.advance(minutes=1)

    with pytest.raises(Exception, match="it is not wanted"):
        next(duty for duty in node.duties if duty.name == "scheduler").tick()

    assert [record.aside_why for record in app.schedules.page()] == [None] * 3


def test_a_run_that_cannot_be_brought_back_keeps_no_other_from_it(
    app: Rota, refused: Any, start: Start, clock: ManualClock
) -> None:
    app.job("job")(lambda n: n)
    lost, other = start(app, lease=15.0), start(app)
    handles = [app.enqueue("job", n=n) for n in range(5)]
    claimed, _ = lost.claimer.claim({"thread": 5})
    refused("UPDATE", "rota_run", f"NEW.id = {handles[2].id} AND NEW.state = 'available'")
    clock.advance(seconds=16)

    with pytest.raises(Exception, match="it is not wanted"):
        next(duty for duty in other.duties if duty.name == "rescuer").tick()

    assert len(claimed) == 5
    states = [handle.state for handle in handles]
    assert states == ["available", "available", "running", "available", "available"]
    assert [handle.record().suspected for handle in handles] == [1, 1, 0, 1, 1]


def test_a_batch_whose_last_step_is_refused_holds_up_no_other(app: Rota, refused: Any) -> None:
    ended: list[str] = []
    app.job("part")(lambda n: n)
    app.job("good")(lambda batch: ended.append("good"))
    app.job("bad")(lambda batch: ended.append("bad"))

    @app.job("all")
    def spread(run: Run, then: str) -> None:
        run.fan_out("part", [{"n": 1}], then=then)

    refused("INSERT", "rota_run", "NEW.job = 'bad'")
    told: list[Any] = []
    app.on("batch.finished")(told.append)
    for then in ("good", "bad", "good"):
        app.enqueue("all", then=then)
    run_due(app)

    assert ended == ["good", "good"]
    errors = [event.data.get("error") for event in told]
    assert len(errors) == 3
    assert sum("bad cannot follow" in str(error) for error in errors) == 1


def test_a_run_that_somebody_elses_row_needs_is_kept_and_the_others_go(
    app: Rota, refused: Any, clock: ManualClock
) -> None:
    app.job("job")(lambda: None)
    ids = [app.enqueue("job").id for _ in range(5)]
    run_due(app)
    refused("DELETE", "rota_run", f"OLD.id = {ids[2]}")

    clock.advance(days=31)
    run_due(app)

    assert [run.id for run in app.runs.page()] == [ids[2]]


def test_a_run_in_a_state_that_only_newer_code_knows_stops_no_pruning(app: Rota, clock: ManualClock) -> None:
    app.job("job")(lambda: None)
    ids = [app.enqueue("job").id for _ in range(2)]
    run_due(app)
    with app.store.database.exclusive() as tx:
        tx.script(f"UPDATE rota_run SET state = 'put_off' WHERE id = {ids[0]};")

    clock.advance(days=31)
    run_due(app)

    with app.store.database.exclusive() as tx:
        assert tx.script("SELECT id FROM rota_run;") == [(ids[0],)]


# --- what is refused where it is written


@pytest.mark.parametrize("name", ["", "nul \0", "half \ud800", "x" * 201], ids=["empty", "nul", "half", "long"])
def test_a_name_that_no_database_takes_is_refused_where_it_is_given(lite: Rota, name: str) -> None:
    lite.job("job")(lambda: None)
    lite.prepare()

    with pytest.raises(ConfigError):
        lite.schedules.add(name, "job", every("1m"))
    with pytest.raises(ConfigError):
        lite.schedules.add_many({name: {}}, "job", every("1m"))
    with pytest.raises(ConfigError):
        lite.schedules.add("fine", "job", every("1m"), queue=name)
    if name:
        with pytest.raises(ConfigError):
            lite.job(name)(lambda: None)


@pytest.mark.parametrize(
    "policies", [{"concurrency": 10**30}, {"priority": 10**30}, {"jitter": 1e300}, {"catch_up_cap": 2**63}], ids=str
)
def test_a_number_that_no_database_takes_is_refused_where_it_is_given(lite: Rota, policies: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(policies))):
        lite.job("job", schedule=every("1m"), **policies)(lambda: None)


# --- what a node cannot judge


def scheduler(node: Node) -> Any:
    return next(duty for duty in node.duties if duty.name == "scheduler")


def test_a_release_that_cannot_make_a_run_leaves_it_to_one_that_can(
    open_app: Open, ledger_url: str, start: Start, clock: ManualClock
) -> None:
    old, new = open_app(ledger_url), open_app(ledger_url)
    old.job("sync")(lambda: None)
    new.job("sync", schedule=every("1m"), arguments={"city": "Lyon"}, overlap="allow")(lambda city: None)
    old_node, new_node = start(old), start(new)

    clock.advance(minutes=1)
    scheduler(old_node).tick()
    old_node.heartbeat.tick()
    assert verdicts(new, "sync") == []
    [reason] = [each for each in new.status().reasons if each.kind == "schedule_unable"]
    assert all(word in reason.text for word in (old_node.identity.id, "sync", "city"))
    scheduler(new_node).tick()

    assert verdicts(new, "sync") == [("12:01:00", "fired")]


def test_a_schedule_that_a_node_cannot_read_stays_due_for_the_others(
    app: Rota, start: Start, clock: ManualClock
) -> None:
    app.job("job", schedule=every("1m"), overlap="allow")(lambda: None)
    app.job("other", schedule=every("1m"), overlap="allow")(lambda: None)
    node = start(app)
    with app.store.database.exclusive() as tx:
        tx.script("UPDATE rota_schedule SET definition = replace(definition, 'every', 'moon') WHERE name = 'job';")
    clock.advance(minutes=1)
    due_at = app.schedules.get("job").next_due_at

    scheduler(node).tick()
    node.heartbeat.tick()

    assert app.schedules.get("job").next_due_at == due_at
    assert len(verdicts(app, "other")) == 1
    assert ["moon" in each.text for each in app.status().reasons if each.kind == "schedule_unable"] == [True]
    assert scheduler(node).tick() is False
    assert scheduler(node).interval > 0.5  # it does not keep the node awake
