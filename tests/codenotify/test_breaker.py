"""The circuit breaker, as syncs over several hours meet it."""

from __future__ import annotations

from itertools import count

import pytest

from apps.codenotify import sync
from apps.codenotify.breaker import Breaker
from rota.testing import FakeHome, make_run
from tests.codenotify.helpers import announce


@pytest.fixture
def home():
    return FakeHome()


@pytest.fixture
def one_sync(services, wall, home):
    number = count(1)

    def run(force: bool = False) -> dict:
        run = make_run(as_of=wall(), home=home, id=next(number))
        result = sync.sync_contests(run, services, platforms=["codeforces"], force=force)
        return result.details["platforms"]["codeforces"]

    return run


def test_the_third_failure_opens_and_the_fourth_sync_asks_nobody(platforms, one_sync, home):
    platforms.scenario("codeforces", "unavailable")
    for _ in range(3):
        assert one_sync()["status"] == "failed"
    asked = platforms.asked("codeforces")

    assert one_sync()["skipped"] == "circuit_open"
    assert platforms.asked("codeforces") == asked == 9
    assert home.emitted == [("breaker.opened", {"platform": "codeforces"})]


def test_after_its_time_one_probe_closes_it(platforms, one_sync, wall, home):
    platforms.scenario("codeforces", "unavailable")
    for _ in range(3):
        one_sync()
    platforms.scenario("codeforces", "ok")
    wall.advance(seconds=899)
    assert one_sync()["skipped"] == "circuit_open"

    wall.advance(seconds=1)

    assert one_sync()["status"] == "success"
    assert [kind for kind, _ in home.emitted] == ["breaker.opened", "breaker.half_open", "breaker.closed"]


def test_a_failed_probe_doubles_the_time_up_to_the_cap(platforms, services, one_sync, wall):
    platforms.scenario("codeforces", "unavailable")
    for _ in range(3):
        one_sync()

    for seconds in (900, 1800, 3600, 7200, 14_400, 21_600, 21_600):
        wall.advance(seconds=seconds - 1)
        assert one_sync()["skipped"] == "circuit_open"
        wall.advance(seconds=1)
        assert one_sync()["status"] == "failed"


def test_a_success_in_between_starts_the_count_anew(platforms, one_sync, wall):
    for scenario in ("unavailable", "unavailable", "ok", "unavailable", "unavailable"):
        platforms.scenario("codeforces", scenario)
        one_sync()
        wall.advance(minutes=20)
    platforms.scenario("codeforces", "ok")

    assert one_sync()["status"] == "success"


def test_a_site_that_refuses_us_opens_at_once_and_what_is_known_stays(platforms, one_sync, services):
    platforms.show(announce("2261"))
    one_sync()
    platforms.scenario("codeforces", "forbidden")

    assert one_sync(force=True)["error_kind"] == "forbidden"
    assert Breaker(services.engine, services.settings, "codeforces").state(services.now()) == "open"


def test_force_goes_through_an_open_breaker_once(platforms, one_sync):
    platforms.scenario("codeforces", "unavailable")
    for _ in range(3):
        one_sync()

    assert one_sync(force=True)["status"] == "failed"
    assert one_sync()["skipped"] == "circuit_open"


def test_only_one_of_two_workers_probes(services, wall):
    breaker = Breaker(services.engine, services.settings, "codeforces")
    breaker.failure(wall(), "1", at_once=True)
    wall.advance(seconds=900)

    assert [breaker.probe(wall()) for _ in range(2)] == [True, False]


def test_a_prober_that_died_is_replaced(services, wall):
    breaker = Breaker(services.engine, services.settings, "codeforces")
    breaker.failure(wall(), "1", at_once=True)
    wall.advance(seconds=900)
    breaker.probe(wall())

    wall.advance(minutes=10)

    assert breaker.probe(wall())


def test_the_attempts_of_one_run_count_as_one_failure(platforms, services, wall):
    platforms.scenario("codeforces", "unavailable")
    for attempt in (1, 2, 3):
        run = make_run(as_of=wall(), attempt=attempt)
        sync.sync_contests(run, services, platforms=["codeforces"])

    assert Breaker(services.engine, services.settings, "codeforces").state(wall()) == "closed"
