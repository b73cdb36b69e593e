"""One test for each defect that this application's forerunner is known for, named after it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from apps.codenotify import cleanup, dispatch, people, sync, wishes
from apps.codenotify.blueprint import make_blueprint
from apps.codenotify.tables import contests, notifications, users
from apps.demo.contest_server import SITES
from rota import Blueprint, Rota, cron
from rota.errors import ConfigError, CronError, RunTimedOutError
from rota.testing import FakeHome, ManualClock, captured_events, make_run, run_due
from tests.codenotify.helpers import (
    DAY,
    HOUR,
    NOW,
    add_contest,
    add_user,
    add_users,
    announce,
    contest_of,
    rows,
    statuses,
)

MINUTE = timedelta(minutes=1)


def run_dispatch(services, wall):
    return dispatch.dispatch_notifications(make_run(as_of=wall()), services)


def run_sync(services, wall, **arguments):
    return sync.sync_contests(make_run(as_of=wall()), services, force=True, **arguments)


@pytest.fixture
def app(tmp_path, settings, open_services):
    clock = ManualClock(NOW)
    services = replace(open_services(), now=clock.now)
    rota = Rota(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    rota.include(make_blueprint(settings, lambda: services))
    rota.prepare()
    yield SimpleNamespace(rota=rota, clock=clock, services=services)
    rota.close()


@pytest.mark.defect("CN-B1")
def test_cn_b1_hours_and_moments_have_names_of_their_own(services, mails, wall):
    """One name for the preference and for the window's end would not even compile there; here the two differ."""
    add_user(services, notify_before_hours=6)
    add_contest(services, announce("1", NOW + 6 * HOUR))
    add_contest(services, announce("2", NOW + 7 * HOUR))

    assert run_dispatch(services, wall).counts["sent"] == 1
    assert {"as_of", "margin"} <= set(inspect.signature(wishes.lead_within).parameters)


@pytest.mark.parametrize("found_before", [48 * HOUR, 40 * MINUTE])
@pytest.mark.parametrize("down", [range(0), range(1, 3)])
@pytest.mark.defect("CN-B2")
def test_cn_b2_each_contest_is_told_once_however_the_ticks_fall(services, mails, wall, found_before, down):
    add_user(services)
    start = NOW + 26 * HOUR + 35 * MINUTE
    found = False
    for tick in range(54):
        if not found and wall() >= start - found_before:
            add_contest(services, announce("1", start))
            found = True
        if tick not in down and tick + 2 not in down:
            run_dispatch(services, wall)
        wall.advance(minutes=30)

    assert len(mails.mails) == 1


@pytest.mark.defect("CN-B3")
def test_cn_b3_one_bad_address_or_channel_ends_nothing_and_is_marked_alone(services, mails, hooks, wall):
    every = {"email": True, "whatsapp": True}
    add_user(services, "bad", channels=every, phone="+1")
    add_user(services, "good", channels=every, phone="+2")
    add_contest(services, announce())
    mails.bouncing["bad@example.test"] = "hard-bounce"

    run_dispatch(services, wall)

    assert statuses(services) == ["failed", "sent", "sent", "sent"]


@pytest.mark.defect("CN-B4")
def test_cn_b4_the_first_to_be_told_does_not_silence_the_rest(services, mails, wall):
    add_user(services, "early", notify_before_hours=168)
    add_user(services, "late", notify_before_hours=1)
    add_contest(services, announce("1", NOW + 2 * HOUR))

    run_dispatch(services, wall)
    wall.advance(minutes=30)
    run_dispatch(services, wall)

    assert mails.recipients == ["early@example.test", "late@example.test"]
    assert "is_notified" not in contests.c


@pytest.mark.defect("CN-B5")
def test_cn_b5_readers_of_mails_are_active_and_expired_tokens_are_cleared(services):
    reader = add_user(services, "reader", last_login_at=NOW - 400 * DAY)
    add_user(
        services, "gone", last_login_at=NOW - 400 * DAY, refresh_token_hash="x", refresh_token_expires_at=NOW - DAY
    )
    people.record_activity(services.engine, reader, NOW - DAY)

    result = cleanup.cleanup_old_data(make_run(as_of=NOW), services)

    assert (result.counts["users_deactivated"], result.counts["tokens_cleared"]) == (1, 1)
    assert [row.is_active for row in rows(services, users)] == [True, False]


@pytest.mark.defect("CN-B6")
def test_cn_b6_sync_does_not_reinsert_old_contests(services, platforms, wall):
    history = [announce(str(number), NOW - 31 * DAY - number * DAY) for number in range(1, 300)]
    platforms.show(*history, announce("2261"))

    for _ in range(2):
        result = run_sync(services, wall)
        cleaned = cleanup.cleanup_old_data(make_run(as_of=wall()), services)

    assert (result.counts["too_old"], cleaned.counts["contests_deleted"]) == (299, 0)
    assert [row.platform_id for row in rows(services, contests)] == ["2261"]


@pytest.mark.defect("CN-B7")
def test_cn_b7_a_contest_that_dropped_out_of_the_answers_does_not_stay_before_for_ever(services, platforms, wall):
    platforms.show(announce("1", NOW + HOUR), announce("2", NOW + 100 * DAY))
    run_sync(services, wall)
    platforms.show(announce("2", NOW + 100 * DAY))

    wall.advance(hours=4)
    run_sync(services, wall)
    assert contest_of(services, "1").phase == "FINISHED"

    wall.advance(days=31)
    assert cleanup.cleanup_old_data(make_run(as_of=wall()), services).counts["contests_deleted"] == 1


@pytest.mark.defect("CN-B8")
def test_cn_b8_sync_and_tick_in_the_same_second_tell_everybody_once(app, platforms, mails):
    add_user(app.services)
    run_due(app.rota)
    platforms.show(announce("1", NOW + 30 * HOUR))

    app.clock.set(NOW + 6 * HOUR)
    done = [record.job for record in run_due(app.rota)]

    assert done.count("codenotify/sync-contests") == 1
    assert done.count("codenotify/dispatch-notifications") >= 1
    assert len(mails.mails) == 1


@pytest.mark.defect("CN-B9")
def test_cn_b9_a_platform_that_failed_is_no_success_with_zeros(services, platforms, wall):
    platforms.scenario("atcoder", "missing-table")

    result = run_sync(services, wall)

    assert result.status == "partial"
    assert result.counts["failed"] == 1
    assert result.details["platforms"]["atcoder"]["error_kind"] == "schema"


@pytest.mark.defect("CN-B10")
def test_cn_b10_only_read_notifications_go(services, mails, wall):
    add_user(services)
    add_user(services, "reader")
    add_contest(services, announce())
    run_dispatch(services, wall)
    people.read_notification(services.engine, 2, NOW + DAY)

    cleanup.cleanup_old_data(make_run(as_of=NOW + 120 * DAY), services)

    assert [row.id for row in rows(services, notifications)] == [1]


@pytest.mark.defect("CN-B11")
def test_cn_b11_time_that_is_up_stops_the_job_between_batches_and_harms_nothing(services, mails, wall):
    add_users(services, 120)
    add_contest(services, announce())
    home = FakeHome()
    run = make_run(as_of=wall(), home=home)
    keep = mails.keep

    def keep_until_time_is_up(envelope) -> None:
        keep(envelope)
        home.stop(RunTimedOutError())

    mails.keep = keep_until_time_is_up
    with pytest.raises(RunTimedOutError):
        dispatch.dispatch_notifications(run, services)

    assert statuses(services).count("sent") == len(mails.mails) < 120
    mails.keep = keep
    run_dispatch(services, wall)
    assert len(set(mails.recipients)) == len(mails.recipients) == 120


@pytest.mark.parametrize("option", [{"disabled": True}, {"timeZone": "UTC"}])
@pytest.mark.defect("CN-B12")
def test_cn_b12_an_option_that_does_not_exist_is_an_error(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        Blueprint("codenotify").job("sync-contests", **option)(lambda: None)


@pytest.mark.defect("CN-B13")
def test_cn_b13_channels_are_switches_whatever_form_they_came_in(services, mails, wall):
    for name, value in (("list", ["email"]), ("object", {"email": True, "push": False}), ("off", {"email": False})):
        add_user(services, name, channels=people.channels_from(value))
    add_contest(services, announce())

    run_dispatch(services, wall)

    assert mails.recipients == ["list@example.test", "object@example.test"]


@pytest.mark.defect("CN-B14")
def test_cn_b14_atcoder_contests_to_come_are_known_and_told(services, platforms, mails, wall):
    add_user(services, platforms=["atcoder"])
    platforms.show(announce("abc473", platform="atcoder"))

    run_sync(services, wall)
    run_dispatch(services, wall)

    assert len(mails.mails) == 1


@pytest.mark.defect("CN-B15")
def test_cn_b15_no_start_is_no_contest_and_digests_and_long_leads_are_not_cut(services, platforms, mails, wall):
    platforms.show(announce("1", NOW + 150 * HOUR), announce("2", NOW + 160 * HOUR))
    platforms.scenario("codeforces", "no-start")
    add_user(services, "long", notify_before_hours=168)
    add_user(services, "weekly", alert_frequency="weekly", notify_before_hours=24)

    run_sync(services, wall)
    run_dispatch(services, wall)
    dispatch.send_digests(make_run(as_of=wall(), due_at=NOW), services, "weekly")

    assert [row.platform_id for row in rows(services, contests)] == ["1"]
    assert mails.recipients == ["long@example.test", "weekly@example.test"]


@pytest.mark.defect("CN-B16")
def test_cn_b16_five_fields_have_no_seconds_six_begin_with_them_and_seven_are_an_error():
    at = datetime(2026, 8, 10, tzinfo=UTC)
    assert cron("0 */6 * * *", tz="UTC").next_after(at) == at + 6 * HOUR
    assert cron("30 0 */6 * * *", tz="UTC").next_after(at) == at + timedelta(seconds=30)
    with pytest.raises(CronError):
        cron("0 0 0 * * * * *", tz="UTC")


@pytest.mark.defect("CN-B17")
def test_cn_b17_a_job_that_fails_is_seen_to_fail_and_the_others_go_on(app, platforms):
    for site in ("codeforces", "leetcode", "codechef", "atcoder"):
        platforms.scenario(site, "forbidden")
    with captured_events(app.rota, "run.*") as events:
        app.rota.trigger("codenotify/sync-contests", force=True)
        app.rota.trigger("codenotify/cleanup-old-data")
        run_due(app.rota)
        for _ in range(2):
            app.clock.advance(seconds=3)
            run_due(app.rota)

    states = {record.job: record.state for record in app.rota.runs.page(limit=10)}
    assert states["codenotify/sync-contests"] == "failed"
    assert states["codenotify/cleanup-old-data"] == "succeeded"
    assert any(event.kind == "run.failed" for event in events)


@pytest.mark.defect("CN-B18")
def test_cn_b18_a_trigger_answers_at_once_with_a_run_and_two_never_run_together(app, platforms):
    first = app.rota.options(by="admin").trigger("codenotify/sync-contests", force=True)
    second = app.rota.options(by="admin").trigger("codenotify/sync-contests", force=True)
    assert platforms.requests == []
    assert first.id != second.id
    assert {first.state, second.state} == {"available"}

    run_due(app.rota)

    assert {first.state, second.state} == {"succeeded"}
    assert [request.site for request in platforms.requests] == [*SITES, *SITES]
