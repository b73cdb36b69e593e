"""A ledger that is not the one that its passport says is looked at, and nothing happens in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rota import Event, Rota, Run, every
from rota.engine.hold import LOST_IN_A_FAILOVER_US
from rota.engine.node import Node
from rota.errors import ConfigError, ConflictError
from rota.model.passport import HeldFor
from rota.store import passports
from rota.testing import ManualClock, run_due
from tests.copies import backup, copy_of, execute, path_of
from tests.servers import PostgresServer, free_port

Open = Callable[..., Rota]
Start = Callable[..., Node]


def shop(app: Rota) -> Rota:
    """What it did is in ``done``."""
    done: list[object] = []
    app.done = done  # type: ignore[attr-defined]

    @app.job(schedule=every("1h"), catch_up="all")
    def hourly(run: Run) -> None:
        done.append(run.due_at)

    @app.job
    def mail(to: str) -> None:
        done.append(to)

    return app


def done(app: Rota) -> list[object]:
    return app.done  # type: ignore[attr-defined,no-any-return]


@contextmanager
def copied(open_app: Open, url: str, clock: ManualClock, **options: object) -> Iterator[Rota]:
    """An application on a copy of a ledger in which a run waits and an hour is due; the original's is closed."""
    original = shop(open_app(url, environment="production"))
    run_due(original)
    original.enqueue("mail", to="anna")
    original.close()
    clock.advance(hours=2)
    with copy_of(url, "copy") as copy:
        app = shop(open_app(copy, **options))
        yield app
        app.close()


def turn(node: Node) -> None:
    """Each duty has its turn."""
    for each in node._turns:
        each.tick()


def test_the_first_node_writes_down_where_the_ledger_lives(open_app: Open, start: Start, database_url: str) -> None:
    app = open_app(database_url)
    app.migrate()
    before = app.passport()
    start(shop(open_app(database_url, environment="production")))
    after = app.passport()

    assert (before.environment, before.fits) == (None, True)
    assert (after.id, after.environment, after.database) == (before.id, "production", before.database)
    assert app.passport().id == after.id


def test_a_template_that_no_node_has_worked_in_is_no_original(open_app: Open, start: Start, database_url: str) -> None:
    app = open_app(database_url)
    app.prepare()
    app.close()
    with copy_of(database_url, "one") as copy:
        copied = shop(open_app(copy))
        run_due(copied)

        assert copied.passport().fits
        copied.close()


def test_in_a_copy_nothing_is_fired_begun_rescued_or_pruned(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    with copied(open_app, database_url, clock, environment="production") as app:
        schedules, runs = app.schedules.page(), app.runs.page()
        node = start(app, lease=60, runs_days=0)
        for _ in range(3):
            turn(node)
            clock.advance(minutes=10)

        assert node.identity.hold.reason is not None
        assert node.identity.hold.reason.why is HeldFor.COPIED
        assert done(app) == []
        assert (app.schedules.page(), app.runs.page()) == (schedules, runs)


def test_it_is_said_everywhere(open_app: Open, start: Start, database_url: str, clock: ManualClock) -> None:
    with copied(open_app, database_url, clock, environment="production") as app:
        node = start(app)
        turn(node)
        status = app.status()
        [waiting] = app.runs.page(state="available")
        held = next(each for each in status.reasons if each.kind == "held")

        assert status.health == "down"
        assert "this ledger was copied from" in held.text
        assert held.todo == "to work with it: rota db adopt --environment production"
        assert app.why_run(waiting.id).facts[0].kind == "held"
        assert app.why_schedule("hourly").facts[0].kind == "held"
        passport = app.passport()
        assert (passport.fits, passport.reason) == (False, held.text.removeprefix("held: ").partition(";")[0])


def test_it_is_logged_and_recorded_once(
    open_app: Open, start: Start, database_url: str, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []
    with copied(open_app, database_url, clock) as app, caplog.at_level(logging.WARNING, "rota"):
        app.on("ledger.held")(heard.append)
        node = start(app)
        for _ in range(3):
            turn(node)

    assert [event.data["why"] for event in heard] == ["copied"]
    assert heard[0].data["node"] == node.identity.id
    assert len([each for each in caplog.messages if each.startswith("HELD: ")]) == 1


def test_what_is_asked_for_meanwhile_is_kept_and_done_later(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    with copied(open_app, database_url, clock, environment="staging") as app:
        node = start(app)
        app.adopt("staging", by="anna", missed="skip", waiting="cancel")
        turn(node)
        app.enqueue("mail", to="clara")
        node.tick_all()
        assert done(app) == ["clara"]

        with app.store.write() as tx:  # held again, by another node's word
            passports.went_back(tx, app.store.now_us(), 1)
        app.enqueue("mail", to="dora")
        turn(node)
        assert done(app) == ["clara"]

        app.adopt("staging", by="anna", missed="skip", waiting="keep")
        while node.tick_all():
            pass
        assert done(app) == ["clara", "dora"]


def test_a_node_goes_on_by_itself_and_says_what_its_code_declares(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    with copied(open_app, database_url, clock, environment="production") as app:
        app.job("added", schedule=every("1d"))(lambda: None)
        node = start(app)
        assert [each.name for each in app.schedules.page()] == ["hourly"]

        app.adopt("production", by="anna", missed="fire", waiting="keep")
        while node.tick_all():
            pass

        assert [each.name for each in app.schedules.page()] == ["added", "hourly"]
        assert "anna" in done(app)
        assert len(done(app)) == 3


def test_tests_are_told_that_they_are_on_a_copy(open_app: Open, database_url: str, clock: ManualClock) -> None:
    with copied(open_app, database_url, clock, environment="production") as app:
        with pytest.raises(ConflictError, match="this ledger was copied from"):
            run_due(app)
        app.adopt("production", by="test", missed="skip", waiting="keep")
        assert [run.job for run in run_due(app)] == ["mail"]


def test_a_duty_at_rest_looks_again_at_the_next_poll_whatever_it_had_planned(
    open_app: Open, start: Start, sqlite_url: str, clock: ManualClock
) -> None:
    with copied(open_app, sqlite_url, clock, environment="production") as app:
        node = start(app, poll=0.3)
        resting = {each.name for each in node._turns if each.interval == 0.3}

        assert resting == {"declarer", "scheduler", "stager", "rescuer", "pruner", "worker"}
        app.adopt("production", by="anna", missed="skip", waiting="keep")
        turn(node)
        assert next(each for each in node._turns if each.name == "pruner").interval == 60.0


# --- moved, put back, failed over


def test_a_file_that_was_moved_is_the_same_one(open_app: Open, sqlite_url: str, clock: ManualClock) -> None:
    app = shop(open_app(sqlite_url))
    run_due(app)
    app.close()
    moved = path_of(sqlite_url).rename(path_of(sqlite_url).with_name("moved.db"))

    assert open_app(f"sqlite:///{moved}").passport().fits


def test_a_file_that_was_put_back_is_not(open_app: Open, sqlite_url: str) -> None:
    app = shop(open_app(sqlite_url))
    run_due(app)
    app.close()
    file = path_of(sqlite_url)
    kept = backup(file, file.with_name("backup.db"))
    for each in file.parent.glob("rota.db*"):
        each.unlink()
    backup(kept, file)  # whether or not it has the number that the old one had

    passport = open_app(sqlite_url).passport()
    assert not passport.fits
    assert "put back from a backup" in str(passport.reason)


def test_tables_that_were_put_back_into_their_database_are_not_the_same(open_app: Open, postgres_url: str) -> None:
    app = shop(open_app(postgres_url))
    run_due(app)
    execute(
        postgres_url,
        "ALTER TABLE rota_passport RENAME TO old",
        "CREATE TABLE rota_passport (LIKE old INCLUDING DEFAULTS)",
        "INSERT INTO rota_passport SELECT * FROM old",
        "DROP TABLE old",
    )

    assert not app.passport().fits


@pytest.mark.long
def test_the_same_cluster_at_another_address_is_no_copy(open_app: Open, clock: ManualClock) -> None:
    with PostgresServer() as server:
        before = shop(open_app(server.url))
        run_due(before)
        place = before.passport().database
        before.close()
        server.stop()
        server.port = free_port()
        server.url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        server.start()
        after = open_app(server.url)

        assert after.passport().fits
        assert after.passport().database != place
        after.close()


def test_a_user_who_may_not_ask_for_the_cluster_tells_a_copy_all_the_same(
    open_app: Open, postgres_url: str, clock: ManualClock
) -> None:
    forbid = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    allow = "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC"
    app = shop(open_app(postgres_url))
    run_due(app)
    execute(
        postgres_url, forbid, "CREATE ROLE few_rights LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO few_rights"
    )
    few = postgres_url.replace("postgres@", "few_rights@")
    app.close()
    try:
        looks = open_app(few)
        assert looks.passport().fits
        looks.close()
        with copy_of(postgres_url, "copy") as copy:
            looks = open_app(copy.replace("postgres@", "few_rights@"))
            assert not looks.passport().fits
            looks.close()
    finally:
        execute(postgres_url, "DROP OWNED BY few_rights", "DROP ROLE few_rights", allow)


# --- back in time


def put_back(url: str, node: Node) -> Callable[[], None]:
    """Keeps the ledger as it is now, and returns what puts it back under a node that works."""
    if url.startswith("sqlite"):
        file = path_of(url)
        kept = backup(file, file.with_name("kept.db"))
        return lambda: backup(kept, file) and None
    execute(url, "CREATE TABLE kept AS SELECT * FROM rota_node")
    return lambda: execute(url, "DELETE FROM rota_node", "INSERT INTO rota_node SELECT * FROM kept")


def test_a_node_that_works_sees_that_the_ledger_went_back(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    app = shop(open_app(database_url))
    node = start(app)
    put = put_back(database_url, node)
    then = clock.now()
    clock.advance(minutes=30)
    turn(node)
    put()
    clock.advance(hours=1)
    turn(node)

    assert done(app) == []
    assert f"{then:%Y-%m-%d %H:%M:%S}" in str(app.passport().reason)
    [held] = [each for each in app.status().reasons if each.kind == "held"]
    assert held.data["why"] == "went_back"

    other = start(app)  # a node that was started since knows it from the ledger
    turn(other)
    assert done(app) == []

    app.adopt(by="anna", missed="skip", waiting="keep")
    for each in (node, other):
        each.tick_all()
    assert app.passport().fits
    assert done(app) == []
    clock.advance(hours=1)
    while node.tick_all():
        pass
    assert len(done(app)) == 1


def test_so_does_one_that_started_after_the_backup_was_taken(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    app = shop(open_app(database_url))
    first = start(app)
    put = put_back(database_url, first)
    late = start(app)
    clock.advance(minutes=30)
    turn(late)
    put()
    turn(late)

    assert late.identity.hold.reason is not None
    assert late.identity.hold.reason.why is HeldFor.WENT_BACK


def test_the_last_moments_that_a_failover_lost_are_no_other_time(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    app = shop(open_app(database_url))
    node = start(app)
    put = put_back(database_url, node)
    clock.advance(seconds=LOST_IN_A_FAILOVER_US / 1_000_000)
    turn(node)
    put()
    turn(node)

    assert node.identity.hold.reason is None


def test_a_node_that_missed_the_adoption_does_not_hold_the_ledger_again(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    app = shop(open_app(database_url))
    sees, sleeps = start(app), start(app)
    put = put_back(database_url, sees)
    clock.advance(minutes=30)
    for node in (sees, sleeps):
        turn(node)
    put()
    clock.advance(seconds=1)
    turn(sees)
    assert sees.identity.hold.reason is not None
    app.adopt(by="anna", missed="skip", waiting="keep")
    clock.advance(minutes=5)
    turn(sleeps)
    turn(sees)

    assert (sees.identity.hold.reason, sleeps.identity.hold.reason) == (None, None)
    assert app.passport().fits


def test_a_node_that_slept_for_a_week_and_was_forgotten_starts_anew(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    app = shop(open_app(database_url))
    sleeper, other = start(app, lease=60), start(app)
    turn(sleeper)
    clock.advance(days=8)
    turn(other)
    clock.advance(days=8)
    turn(other)  # and forgets it
    old = sleeper.identity.id
    turn(sleeper)

    assert sleeper.identity.hold.reason is None
    assert sleeper.identity.id != old


def test_after_a_failure_it_is_asked_first_whether_it_is_the_same_ledger(
    open_app: Open, start: Start, sqlite_url: str, clock: ManualClock
) -> None:
    """A database that was away may come back as another one, before the heart beats."""
    app = shop(open_app(sqlite_url))
    node = start(app)
    put = put_back(sqlite_url, node)
    clock.advance(minutes=59)
    node.heartbeat.tick()
    scheduler = next(each for each in node._turns if each.name == "scheduler")
    execute(sqlite_url, "ALTER TABLE rota_schedule RENAME TO away")
    with pytest.raises(Exception, match="rota_schedule"):
        scheduler.tick()
    put()
    clock.advance(hours=2)
    scheduler.tick()

    assert node.identity.hold.reason is not None
    assert app.runs.page() == []
    assert app.passport().fits  # nobody has written it down yet

    heard: list[Event] = []
    app.listeners.add("ledger.held", heard.append)
    node.heartbeat.tick()
    assert not app.passport().fits
    assert [event.data["why"] for event in heard] == ["went_back"]


# --- environments


def test_a_node_of_another_environment_holds(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    production = shop(open_app(database_url, environment="production"))
    works = start(production)
    laptop = shop(open_app(database_url, environment="development"))
    nothing = shop(open_app(database_url))
    strange = [start(laptop), start(nothing)]
    clock.advance(hours=1)
    production.enqueue("mail", to="anna")
    for node in strange:
        turn(node)
    assert (done(laptop), done(nothing)) == ([], [])

    reasons = {node.identity.id: node.identity.hold.reason for node in strange}
    assert {each.why for each in reasons.values() if each} == {HeldFor.ENVIRONMENT}
    assert "this is 'development'" in str(laptop.passport().reason)
    assert "this process names none" in str(nothing.passport().reason)
    told = [each for each in production.status().reasons if each.kind == "node_held"]
    assert {each.data["node"] for each in told} == set(reasons)
    assert production.why_schedule("hourly").facts[0].kind != "node_held"
    assert production.status().health == "degraded"
    assert production.passport().fits

    while works.tick_all():
        pass
    assert len(done(production)) == 2


def test_where_all_nodes_are_of_another_environment_why_says_so(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    production = shop(open_app(database_url, environment="production"))
    run_id = production.enqueue("mail", to="anna").id
    production.migrate()
    node = start(production)
    with production.store.write() as tx:
        node.identity.stop(tx)
    start(shop(open_app(database_url, environment="staging")))

    assert production.status().health == "down"
    assert production.why_run(run_id).facts[0].kind == "node_held"
    assert "ROTA_ENVIRONMENT=production" in production.why_run(run_id).facts[0].todo


def test_a_process_of_another_environment_declares_nothing(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    """A laptop whose code has one schedule less would remove it."""
    start(shop(open_app(database_url, environment="production")))
    laptop = open_app(database_url)
    laptop.job("other", schedule=every("1h"))(lambda: None)
    laptop.prepare()

    assert [each.name for each in laptop.schedules.page()] == ["hourly"]


def test_a_ledger_whose_environment_was_never_named_takes_every_node(
    open_app: Open, start: Start, database_url: str
) -> None:
    nodes = [start(shop(open_app(database_url, **each))) for each in ({}, {"environment": "staging"}, {})]  # type: ignore[arg-type]

    assert [node.identity.hold.reason for node in nodes] == [None, None, None]


def test_adopting_what_fits_changes_nothing_or_the_environment_alone(
    open_app: Open, start: Start, database_url: str, clock: ManualClock
) -> None:
    app = shop(open_app(database_url))
    node = start(app)
    before = app.passport()
    assert app.adopt(by="anna") is None

    event = app.adopt("production", by="anna")
    turn(node)
    assert event is not None
    assert (event.kind, event.actor, event.data["to"]["environment"]) == ("ledger.adopted", "anna", "production")
    assert app.passport().id == before.id  # it was given a name, and is no other ledger
    assert node.identity.hold.reason is not None  # it names none
    with pytest.raises(ConfigError, match="is of the environment production"):
        app.adopt(by="anna")


def test_the_birth_of_a_file_is_told_and_stays(tmp_path: Path) -> None:
    from rota.store.birth import born

    file = tmp_path / "file"
    file.touch()
    first = born(file)
    file.write_text("more")

    assert first is not None
    assert born(file) == first
