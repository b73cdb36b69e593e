"""The jobs in Rota: when they run by themselves, what leads to what, and what several of them at once do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apps.codenotify.blueprint import make_blueprint
from apps.codenotify.tables import contests
from rota import Rota
from rota.testing import ManualClock, captured_events, run_due
from tests.codenotify.helpers import (
    DAY,
    NOW,
    add_contest,
    add_user,
    announce,
    count,
    dump,
    rows,
    statuses,
)

PREFIX = "codenotify/"


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def around(open_services, clock):
    """The services, on the clock of Rota."""
    return replace(open_services(), now=clock.now)


@pytest.fixture
def rota(tmp_path, clock, settings, around):
    app = Rota(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    app.include(make_blueprint(settings, lambda: around))
    yield app
    app.close()


def result(record) -> dict:
    return json.loads(record.result)


def jobs(records) -> list[str]:
    return [record.job.removeprefix(PREFIX) for record in records]


def test_the_jobs_are_those_of_the_table(rota):
    expected = {
        "sync-contests": ("0 */6 * * *", 600, "latest", 6 * 3600, False, False),
        "dispatch-notifications": ("*/30 * * * *", 1500, "latest", 1800, True, False),
        "cleanup-old-data": ("0 2 * * *", 3600, "latest", 24 * 3600, False, True),
        "retry-failed-deliveries": ("*/5 * * * *", 240, "none", None, True, False),
        "send-daily-digests": ("0 8 * * *", 1500, "latest", 6 * 3600, True, False),
        "send-weekly-digests": ("0 8 * * 1", 1500, "latest", 6 * 3600, True, False),
    }

    found = {
        name.removeprefix(PREFIX): (
            rota.declared_schedules[name].trigger.expression,
            job.timeout,
            rota.declared_schedules[name].catch_up,
            rota.declared_schedules[name].catch_up_window,
            job.sends,
            job.destructive,
        )
        for name, job in rota.jobs.items()
    }

    assert found == expected
    assert {schedule.trigger.tz for schedule in rota.declared_schedules.values()} == {"UTC"}


def test_a_day_has_as_many_runs_as_the_crons_say(rota, clock, mails, platforms):
    run_due(rota)
    counts: dict[str, int] = {}
    for _ in range(48):
        clock.advance(minutes=30)
        for job in jobs(run_due(rota)):
            counts[job] = counts.get(job, 0) + 1

    assert counts == {
        "sync-contests": 4,
        "dispatch-notifications": 48,
        "cleanup-old-data": 1,
        "retry-failed-deliveries": 48,
        "send-daily-digests": 1,
    }


def test_two_schedulers_at_six_make_one_sync(tmp_path, clock, settings, around, platforms):
    both = [Rota(f"sqlite:///{tmp_path / 'shared.db'}", clock=clock) for _ in range(2)]
    for app in both:
        app.include(make_blueprint(settings, lambda: around))
        run_due(app)
    clock.set(NOW.replace(hour=18))

    done = {record.id: record.job for app in both for record in run_due(app)}

    for app in both:
        app.close()
    assert list(done.values()).count("codenotify/sync-contests") == 1
    assert platforms.asked("codeforces") == 1


def test_a_sync_with_news_leads_to_one_dispatch_and_mails(rota, platforms, mails, around):
    add_user(around)
    platforms.show(announce())
    rota.prepare()
    rota.options(by="ada").trigger("codenotify/sync-contests")

    records = run_due(rota)

    assert jobs(records) == ["sync-contests", "dispatch-notifications"]
    assert result(records[0])["details"]["notified_enqueued"]
    assert result(records[1])["details"]["reason"] == "sync"
    assert result(records[1])["counts"]["sent"] == len(mails.mails) == 1


def test_a_sync_without_news_leads_to_nothing(rota, platforms):
    rota.prepare()
    rota.trigger("codenotify/sync-contests")

    assert jobs(run_due(rota)) == ["sync-contests"]


def test_two_syncs_with_news_ask_for_one_dispatch(rota, platforms, around):
    platforms.show(announce())
    rota.prepare()
    sync = rota.handles["codenotify/sync-contests"]
    sync.enqueue(platforms=["codeforces"], force=True)
    sync.enqueue(platforms=["leetcode"], force=True)

    assert sorted(jobs(run_due(rota))).count("dispatch-notifications") == 1


def test_a_sync_that_failed_everywhere_is_tried_three_times(rota, platforms, clock):
    for site in ("codeforces", "leetcode", "codechef", "atcoder"):
        platforms.scenario(site, "forbidden")
    rota.prepare()
    handle = rota.trigger("codenotify/sync-contests", force=True)

    run_due(rota)
    for seconds in (2, 3):
        assert handle.state == "scheduled"
        clock.advance(seconds=seconds)
        run_due(rota)

    assert handle.state == "failed"
    assert handle.record().attempt == 3


def test_as_of_stays_when_a_run_is_tried_again(rota, platforms, clock, around):
    for site in ("codeforces", "leetcode", "codechef", "atcoder"):
        platforms.scenario(site, "forbidden")
    rota.prepare()
    rota.trigger("codenotify/sync-contests", force=True)
    run_due(rota)
    platforms.scenario("codeforces", "ok")
    platforms.show(announce())
    clock.advance(seconds=2)

    run_due(rota)

    assert rows(around, contests)[0].first_seen_at == NOW


def test_an_open_breaker_is_an_event_that_listeners_hear(rota, platforms):
    platforms.scenario("leetcode", "forbidden")
    rota.prepare()
    rota.trigger("codenotify/sync-contests")

    with captured_events(rota, "breaker.*") as events:
        run_due(rota)

    assert [(event.kind, event.data["platform"]) for event in events] == [("breaker.opened", "leetcode")]


def test_a_dry_run_of_every_job_leaves_the_database_as_it_was(rota, platforms, mails, around):
    add_user(around, last_login_at=NOW - 200 * DAY, refresh_token_hash="x")
    add_user(around, "daily", alert_frequency="daily")
    add_contest(around, announce())
    add_contest(around, announce("1", NOW - 40 * DAY))
    platforms.show(announce("3000"))
    rota.prepare()
    before = dump(around.engine)

    for name in rota.jobs:
        rota.options(dry_run=True).trigger(name)
    records = run_due(rota)

    assert {result(record)["status"] for record in records} == {"dry_run"}
    assert len(records) == len(rota.jobs)
    assert dump(around.engine) == before
    assert mails.mails == []


def test_staging_synchronises_looks_at_what_is_old_and_sends_nothing(
    tmp_path, clock, settings, around, platforms, mails
):
    add_user(around)
    add_contest(around, announce("1", NOW - 40 * DAY))
    platforms.show(announce("1", NOW - 40 * DAY), announce("2"))
    staging = Rota(f"sqlite:///{tmp_path / 'staging.db'}", clock=clock, environment="staging")
    staging.include(make_blueprint(settings, lambda: around))
    run_due(staging)

    clock.set(datetime(2026, 8, 11, 2, 0, tzinfo=UTC))
    done = {record.job: record for record in run_due(staging)}
    staging.close()

    assert result(done["codenotify/cleanup-old-data"])["status"] == "dry_run"
    assert "codenotify/sync-contests" in done
    assert count(around, contests) == 2
    assert mails.mails == []


@pytest.mark.parametrize("environment", ["development", "test"])
def test_a_sync_by_hand_sends_nothing_where_the_dispatch_is_off(
    tmp_path, clock, settings, around, platforms, mails, environment
):
    add_user(around)
    platforms.show(announce("1"))
    app = Rota(f"sqlite:///{tmp_path / 'rota.db'}", clock=clock, environment=environment)
    app.include(make_blueprint(settings, lambda: around))

    app.options(force_disabled=True, by="anna").trigger("codenotify/sync-contests")
    done = {record.job: record for record in run_due(app)}
    app.close()

    assert count(around, contests) == 1
    assert result(done["codenotify/dispatch-notifications"])["status"] == "skipped"
    assert mails.mails == []


@pytest.mark.parametrize(
    ("off", "left"),
    [
        ({"sync_enabled": False}, 5),
        ({"cleanup_enabled": False}, 5),
        ({"notifications_enabled": False}, 2),
    ],
)
def test_what_is_switched_off_is_not_scheduled_and_can_be_run_by_hand(settings, around, off, left):
    app = Rota("sqlite://")
    app.include(make_blueprint(replace(settings, **off), lambda: around))

    assert (len(app.declared_schedules), len(app.jobs)) == (left, 6)


def test_digests_cover_the_day_that_they_were_due_on(rota, clock, mails, around):
    add_user(around, alert_frequency="daily")
    add_contest(around, announce("1", NOW + DAY))
    run_due(rota)

    clock.set(datetime(2026, 8, 11, 9, 30, tzinfo=UTC))
    (record,) = [record for record in run_due(rota) if record.job == "codenotify/send-daily-digests"]

    assert result(record)["period"]["start"] == "2026-08-11T08:00:00+00:00"
    assert statuses(around) == ["sent"]
    assert len(mails.mails) == 1
