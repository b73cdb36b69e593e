"""Releases that overlap, and applications that share a ledger: whose word on a schedule holds, and whose a job is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rota import Rota, every
from rota.engine.node import Node
from rota.errors import DuplicateJobError
from rota.model.settings import QueueSettings, Settings
from rota.store import releases
from rota.testing import ManualClock, run_due
from tests.engine.helpers import verdicts

Open = Callable[..., Rota]
Start = Callable[..., Node]
OLD = {"a": {"schedule": every("1h")}}
NEW = {"a": {"schedule": every("10m")}, "b": {"schedule": every("1h")}}


@pytest.fixture
def release(open_app: Open, ledger_url: str) -> Callable[..., Rota]:
    """One version of the code of an application, not started."""

    def release_(jobs: dict[str, dict[str, Any]], **options: Any) -> Rota:
        app = open_app(ledger_url, **options)
        for name, policies in jobs.items():
            app.job(name, **policies)(lambda: None)
        return app

    return release_


def stop(node: Node) -> None:
    with node.store.write() as tx:
        node.identity.stop(tx)


def declare_again(node: Node) -> None:
    """As the node does by itself, every few seconds."""
    next(duty for duty in node.duties if duty.name == "declarer").tick()


def in_force(app: Rota) -> dict[str, str]:
    """The schedules of the ledger, and how often each is due."""
    found = {}
    for record in app.schedules.page():
        found[record.name] = "10m" if '"interval": "10m"' in record.definition else "1h"
    return found


# --- releases of one application


def test_an_old_process_that_starts_again_takes_nothing_from_a_newer_release(release: Any, start: Start) -> None:
    start(release(OLD))
    new = release(NEW)
    start(new)

    again = release(OLD)
    assert again.prepare() == []
    start(again)

    assert in_force(new) == {"a": "10m", "b": "1h"}


def test_what_nobody_declares_any_more_goes_with_the_next_start(release: Any, start: Start) -> None:
    old = release({**OLD, "gone": {"schedule": every("1h")}})
    node = start(old)
    new = release(NEW)
    start(new)
    assert in_force(new) == {"a": "10m", "b": "1h", "gone": "1h"}

    stop(node)
    told = release({"a": NEW["a"], "b": NEW["b"]}).prepare()

    assert [(event.kind, event.subject) for event in told] == [("schedule.removed", "schedule:gone")]
    assert in_force(new) == {"a": "10m", "b": "1h"}


def test_a_node_of_the_newest_release_removes_by_itself_what_the_last_old_node_left(release: Any, start: Start) -> None:
    old = start(release({**OLD, "gone": {"schedule": every("1h")}}))
    new = release(NEW)
    node = start(new)
    declare_again(node)
    assert "gone" in in_force(new)

    stop(old)
    declare_again(node)

    assert in_force(new) == {"a": "10m", "b": "1h"}
    assert [event.kind for event in new.schedules.events("gone")] == ["schedule.removed"]


def test_a_release_that_is_rolled_back_leaves_nothing_in_force(release: Any, start: Start) -> None:
    old = release(OLD)
    start(old)
    new = start(release(NEW))
    start(release(OLD))  # the roll-back begins while the newer release is still at work
    other = start(release(OLD))
    declare_again(other)
    assert in_force(old) == {"a": "10m", "b": "1h"}

    stop(new)
    declare_again(other)

    assert in_force(old) == {"a": "1h"}


def test_a_lost_node_declares_nothing_any_more(release: Any, start: Start, clock: ManualClock) -> None:
    lost = start(release(NEW), lease=10)
    app = release(OLD)
    node = start(app)
    node.heartbeat.tick()
    clock.advance(seconds=60)
    node.heartbeat.tick()
    next(duty for duty in node.duties if duty.name == "rescuer").tick()
    declare_again(node)

    assert lost.identity.id not in {each.record.id for each in app.nodes.all() if each.alive}
    assert in_force(app) == {"a": "1h"}


def test_of_two_releases_at_work_only_the_newest_clears_up(release: Any, start: Start) -> None:
    third = start(release({**NEW, "c": {"schedule": every("1h")}}))
    old = release(OLD)
    node = start(old)
    newest = start(release(NEW))
    stop(third)

    declare_again(node)
    assert set(in_force(old)) == {"a", "b", "c"}
    declare_again(newest)

    assert in_force(old) == {"a": "10m", "b": "1h"}


def test_an_old_process_that_starts_again_sets_no_limit_of_a_queue(release: Any, start: Start) -> None:
    few, many = (Settings(queues={"mail": QueueSettings(concurrency=count)}) for count in (2, 20))
    start(release(OLD, settings=few))
    new = release(NEW, settings=many)
    start(new)

    release(OLD, settings=few).prepare()

    assert new.queues.get("mail").concurrency == 20


def test_what_a_process_without_a_node_declares_stands_against_older_releases_for_a_day(
    release: Any, start: Start, clock: ManualClock
) -> None:
    start(release(OLD))
    web = release(NEW)
    web.prepare()

    assert release(OLD).prepare() == []
    assert in_force(web) == {"a": "10m", "b": "1h"}
    clock.advance(hours=25)
    release(OLD).prepare()

    assert in_force(web) == {"a": "1h"}


def test_a_newer_release_need_not_ask_a_process_without_a_node(release: Any, start: Start) -> None:
    release({**OLD, "gone": {"schedule": every("1h")}}).prepare()

    app = release(NEW)
    start(app)

    assert set(in_force(app)) == {"a", "b"}


def test_a_process_without_a_node_removes_nothing_that_a_node_declares(release: Any, start: Start) -> None:
    new = release(NEW)
    start(new)

    release({}).prepare()

    assert set(in_force(new)) == {"a", "b"}


def test_a_node_that_does_not_know_a_job_leaves_its_schedules_to_those_who_do(
    release: Any, start: Start, clock: ManualClock
) -> None:
    old = start(release(OLD))
    new = release(NEW)
    node = start(new)
    clock.advance(hours=1)

    for duty in old.duties:
        if duty.name == "scheduler":
            duty.tick()
    assert [len(verdicts(new, name)) for name in ("a", "b")] == [2, 0]
    for duty in node.duties:
        if duty.name == "scheduler":
            duty.tick()

    assert verdicts(new, "b") == [("13:00:00", "fired")]


def test_a_release_is_forgotten_with_its_nodes(release: Any, start: Start, clock: ManualClock) -> None:
    node = start(release(NEW))
    app = release(OLD)
    start(app)
    stop(node)
    release(OLD).declare_again()

    clock.advance(days=8)
    run_due(app)

    with app.store.read() as tx:
        assert releases.knowing(tx, "b") == frozenset()
        assert tx.all("releases.working") != []
    with app.store.database.exclusive() as tx:
        assert tx.script("SELECT count(*) FROM rota_release;") == [(1,)]


# --- two applications


def test_a_job_of_another_application_that_is_at_work_is_refused_with_both_names(release: Any, start: Start) -> None:
    node = start(release(OLD, name="shop"))
    blog = release(OLD, name="blog")

    with pytest.raises(DuplicateJobError) as caught:
        blog.prepare()

    told = str(caught.value)
    assert all(word in told for word in ("'a'", "'shop'", "'blog'", node.identity.id, "<lambda>"))
    assert "another name" in caught.value.hint
    assert [record.owner for record in blog.schedules.page()] == ["shop"]


def test_a_job_of_an_application_that_is_gone_is_taken_over_with_its_schedules(
    release: Any, start: Start, clock: ManualClock
) -> None:
    shop = release(OLD, name="shop")
    node = start(shop)
    shop.schedules.add("by-hand", "a", every("1h"), by="anna")
    stop(node)

    blog = release(OLD, name="blog")
    told = blog.prepare()
    clock.advance(hours=1)
    run_due(blog)

    assert [(event.kind, event.data["before"], event.data["owner"]) for event in told] == [
        ("job.taken_over", "shop", "blog")
    ]
    assert [verdicts(blog, name) for name in ("a", "by-hand")] == [[("13:00:00", "fired")]] * 2


def test_two_applications_that_start_at_the_same_moment_do_not_both_begin(release: Any) -> None:
    shop, blog = release(OLD, name="shop"), release(OLD, name="blog")
    shop.prepare()
    blog.prepare()  # no node of the other lives yet
    blog.node().identity.register()

    with pytest.raises(DuplicateJobError, match="'blog'"):
        shop.node().identity.register()


def test_no_application_does_what_only_another_ones_code_knows(release: Any, start: Start, clock: ManualClock) -> None:
    shop = release(OLD, name="shop")
    start(shop)
    clock.advance(hours=1)
    blog = release({"c": {"schedule": every("1h")}}, name="blog")
    shop.enqueue("a")

    assert run_due(blog) == []
    assert {run.job for run in run_due(shop)} == {"a"}
