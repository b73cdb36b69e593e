"""CN-2: who is told what, and how often, over real SMTP and HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select

from apps.codenotify import dispatch
from apps.codenotify.inbox import is_about
from apps.codenotify.services import Services
from apps.codenotify.tables import contests, notifications
from rota import JobResult
from rota.errors import RunLostError
from rota.messages import deliveries
from rota.recipes import reading, writing
from rota.testing import FakeHome, make_run
from tests.codenotify.helpers import (
    DAY,
    HOUR,
    NOW,
    WallClock,
    add_contest,
    add_user,
    add_users,
    announce,
    change_contest,
    change_user,
    contest_of,
    dump,
    inbox,
    ledger,
    mend,
    move_contest,
    rows,
    statuses,
)

SECOND = timedelta(seconds=1)
ALL_ON = {"email": True, "whatsapp": True, "push": True}


def run_dispatch(services: Services, wall: WallClock, **options: object) -> JobResult:
    return dispatch.dispatch_notifications(make_run(as_of=wall(), **options), services)


def subjects(mails) -> list[str]:
    return [str(mail["Subject"]) for mail in mails.mails]


@pytest.mark.parametrize(
    ("hours", "lead", "due"),
    [
        (1, 90 * 60 * SECOND, True),
        (1, 90 * 60 * SECOND + SECOND, False),
        (1, SECOND, True),
        (1, 0 * SECOND, False),
        (24, 24.5 * HOUR, True),
        (24, 24.5 * HOUR + timedelta(microseconds=1), False),
        (168, 168.5 * HOUR, True),
        (168, 168.5 * HOUR + SECOND, False),
        (500, 168.5 * HOUR, True),
        (0, 90 * 60 * SECOND, True),
        (-3, 90 * 60 * SECOND + SECOND, False),
    ],
)
def test_a_reminder_is_due_from_half_an_hour_before_its_hours_until_the_start(services, mails, wall, hours, lead, due):
    add_user(services, notify_before_hours=hours)
    add_contest(services, announce("2261", NOW + lead))

    result = run_dispatch(services, wall)

    assert (result.counts["pairs_due"], result.counts["sent"], len(mails.mails)) == (due, due, due)


def test_hours_out_of_range_are_taken_as_the_nearest_and_warned_of(services, mails, wall):
    add_user(services, notify_before_hours=500)

    assert "outside 1 to 168" in run_dispatch(services, wall).warnings[0]


def test_a_second_run_sends_nothing(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    first = run_dispatch(services, wall)

    second = run_dispatch(services, wall)

    assert (first.counts["sent"], second.counts["sent"], second.counts["duplicate"]) == (1, 0, 1)
    assert len(mails.mails) == 1


@pytest.mark.parametrize("missed_ticks", [0, 1, 2, 47])
def test_ticks_that_were_missed_make_a_reminder_later_and_never_lost_or_doubled(services, mails, wall, missed_ticks):
    add_user(services)
    add_contest(services, announce("2261", NOW + 24 * HOUR + timedelta(minutes=35)))
    assert run_dispatch(services, wall).counts["pairs_due"] == 0

    wall.advance(minutes=30 * (1 + missed_ticks))
    first = run_dispatch(services, wall)
    wall.advance(minutes=30)
    run_dispatch(services, wall)

    assert first.counts["sent"] == 1
    assert first.counts["late"] == (missed_ticks > 1)
    assert len(mails.mails) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"is_active": False},
        {"is_email_verified": False},
        {"alert_frequency": "daily"},
        {"alert_frequency": "weekly"},
        {"platforms": ["leetcode"]},
        {"platforms": []},
        {"contest_types": ["ICPC"]},
    ],
)
def test_nobody_is_told_who_did_not_ask(services, mails, wall, columns):
    add_user(services, **columns)
    add_contest(services, announce())

    assert run_dispatch(services, wall).counts["pairs_due"] == 0
    assert statuses(services) == []


def test_a_type_that_is_asked_for_is_told_of(services, mails, wall):
    add_user(services, contest_types=["ICPC", "CF"])
    add_contest(services, announce())

    assert run_dispatch(services, wall).counts["sent"] == 1


@pytest.mark.parametrize("columns", [{"is_active": False}, {"cancelled_at": NOW}])
def test_nobody_is_told_of_a_contest_that_will_not_take_place(services, mails, wall, columns):
    add_user(services)
    add_contest(services, announce(), **columns)

    assert run_dispatch(services, wall).counts["claimed"] == 0


def test_every_channel_that_is_on_and_has_an_address_is_used(services, mails, hooks, wall):
    add_user(services, "ada", channels=ALL_ON, phone="+15550100", push_token="token-ada")
    add_user(services, "bob", channels=ALL_ON, phone=None, push_token="")
    add_user(services, "eve", channels={"whatsapp": True}, phone="+15550101")
    add_contest(services, announce())

    result = run_dispatch(services, wall)

    assert result.details["by_channel"] == {"email": {"sent": 2}, "whatsapp": {"sent": 2}, "push": {"sent": 1}}
    assert mails.recipients == ["ada@example.test", "bob@example.test"]
    assert {hook.body["to"] for hook in hooks.of("whatsapp")} == {"+15550100", "+15550101"}


def test_without_any_channel_there_is_a_count_and_no_ledger_row(services, mails, wall):
    add_user(services, channels={"email": False})
    add_contest(services, announce())

    result = run_dispatch(services, wall)

    assert (result.counts["pairs_due"], result.counts["no_channel"], result.counts["claimed"]) == (1, 1, 0)
    assert statuses(services) == []


def test_one_channel_down_leaves_the_other_sent_and_not_repeated(services, mails, hooks, wall):
    add_user(services, channels=ALL_ON, phone="+15550100")
    add_contest(services, announce())
    hooks.scenarios["whatsapp"] = "outage"

    first = run_dispatch(services, wall)
    second = run_dispatch(services, wall)

    assert (first.status, first.counts["sent"], first.counts["failed"]) == ("partial", 1, 1)
    assert first.errors[0]["kind"] == "http_503"
    assert (second.status, second.counts["sent"]) == ("success", 0)
    assert len(mails.mails) == 1
    assert {(row.channel, row.status) for row in rows(services, deliveries)} == {
        ("email", "sent"),
        ("whatsapp", "queued"),
    }


def test_one_bad_address_never_stops_the_others(services, mails, wall):
    for name in ("ada", "bad", "eve"):
        add_user(services, name)
    add_contest(services, announce())
    mails.bouncing["bad@example.test"] = "hard-bounce"

    result = run_dispatch(services, wall)

    assert (result.status, result.counts["sent"], result.counts["failed"]) == ("partial", 2, 1)
    (failed,) = (row for row in rows(services, deliveries) if row.status == "failed")
    assert failed.reason == "refused_550"


@pytest.mark.parametrize("email", ["no-at-sign", "bl\nank@example.test", "ü@example.test", "a b@@example"])
def test_an_address_that_no_mail_can_have_fails_alone(services, mails, wall, email):
    add_user(services, "bad", email=email)
    add_user(services, "eve")
    add_contest(services, announce())

    result = run_dispatch(services, wall)

    assert result.counts["sent"] >= 1
    assert "eve@example.test" in mails.recipients


def test_every_message_failed_is_a_failed_run(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    mails.scenario = "soft-bounce"

    assert run_dispatch(services, wall).status == "failed"


def test_a_failed_run_tried_again_still_says_what_failed(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    mails.scenario = "soft-bounce"
    first = make_run(as_of=wall())
    before = dispatch.dispatch_notifications(first, services)

    after = dispatch.dispatch_notifications(make_run(as_of=wall(), attempt=2, checkpoint=first.checkpoint), services)

    assert after == before
    assert (after.status, after.errors[0]["kind"]) == ("failed", "deferred_450")


def test_a_provider_that_is_down_is_not_asked_for_everybody(services, mails, hooks, wall):
    add_users(services, 120, channels={"email": True, "whatsapp": True})
    add_contest(services, announce())
    hooks.scenarios["whatsapp"] = "outage"

    result = run_dispatch(services, wall)

    assert result.status == "partial"
    assert result.details["stopped"] == "dependency_down"
    assert result.details["channels"] == ["whatsapp"]
    assert result.details["by_channel"]["email"] == {"sent": 120}
    assert len(hooks.requests) <= 50


def test_what_was_not_come_to_is_sent_when_the_provider_is_back(services, hooks, mails, wall):
    add_users(services, 120, channels={"whatsapp": True})
    add_contest(services, announce())
    hooks.scenarios["whatsapp"] = "outage"
    tried = run_dispatch(services, wall).counts["failed"]
    hooks.scenarios["whatsapp"] = "ok"

    mend(services)
    wall.advance(minutes=5)
    result = run_dispatch(services, wall)

    assert (0 < tried < 50, result.counts["sent"]) == (True, 120)
    assert {hook.key for hook in hooks.of("whatsapp")} == {
        f"cn:{row.id}" for row in rows(services, deliveries) if row.status == "sent"
    }


def test_a_provider_that_stays_down_is_left_alone_by_the_next_runs(services, hooks, mails, wall):
    add_users(services, 120, channels={"whatsapp": True})
    add_contest(services, announce())
    hooks.scenarios["whatsapp"] = "outage"
    run_dispatch(services, wall)
    asked = len(hooks.requests)
    wall.advance(minutes=5)

    result = run_dispatch(services, wall)

    assert (result.status, result.details["stopped"]) == ("partial", "dependency_down")
    assert len(hooks.requests) == asked <= 50


def test_messages_of_a_channel_that_is_no_longer_configured_wait(open_services, settings, hooks, mails, wall):
    services = open_services()
    add_user(services, channels={"push": True}, push_token="token")
    add_contest(services, announce())
    hooks.scenarios["push"] = "outage"
    run_dispatch(services, wall)
    without = open_services(webhooks={})
    wall.advance(minutes=10)

    assert dispatch.retry_failed_deliveries(make_run(as_of=wall()), without).counts["claimed"] == 0
    assert run_dispatch(without, wall).counts["no_channel"] == 1
    assert statuses(services) == ["queued"]


def test_raising_the_hours_sends_at_the_next_tick_and_lowering_them_sends_nothing(services, mails, wall):
    user = add_user(services, notify_before_hours=24)
    add_contest(services, announce("2261", NOW + 100 * HOUR))
    assert run_dispatch(services, wall).counts["sent"] == 0

    change_user(services, user, notify_before_hours=168)
    assert run_dispatch(services, wall).counts["sent"] == 1

    change_user(services, user, notify_before_hours=24)
    wall.advance(hours=76)
    assert run_dispatch(services, wall).counts["sent"] == 0


def test_six_contests_are_six_reminders(services, mails, wall):
    add_user(services, notify_before_hours=168)
    for number in range(6):
        add_contest(services, announce(str(number), NOW + (number + 1) * DAY))

    assert run_dispatch(services, wall).counts["sent"] == 6
    assert len(mails.mails) == 6


def test_six_contests_may_be_one_message_and_six_ledger_rows(open_services, mails, wall):
    services = open_services(coalesce_min=6)
    for name in ("ada", "bob"):
        add_user(services, name, notify_before_hours=168)
    add_user(services, "eve", notify_before_hours=24)
    for number in range(6):
        add_contest(services, announce(str(number), NOW + (number + 1) * DAY))

    result = run_dispatch(services, wall)

    assert result.counts["sent"] == 13
    assert statuses(services) == ["sent"] * 13
    assert mails.recipients == ["ada@example.test", "bob@example.test", "eve@example.test"]
    together = next(mail for mail in mails.mails if "ada" in mail["To"])
    assert together["Subject"].startswith("6 contests to come")
    assert together.get_body(("plain",)).get_content().count("codeforces.com/contest/") == 6


def test_together_means_together_across_pages_too(open_services, mails, wall):
    services = open_services(coalesce_min=2)
    add_users(services, 70, notify_before_hours=168)
    for number in range(3):
        add_contest(services, announce(str(number), NOW + (number + 1) * DAY))

    run_dispatch(services, wall)

    assert sorted(mails.recipients) == sorted(f"user{number}@example.test" for number in range(70))


def test_a_moved_contest_is_told_at_once_and_again_before_its_new_time(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce("2261", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 72 * HOUR)

    run_dispatch(services, wall)
    run_dispatch(services, wall)
    assert subjects(mails)[1:] == ["New time: Round 2261, Thu 13 Aug 2026, 12:00 UTC"]
    notice = mails.mails[1].get_body(("plain",)).get_content()
    assert "Thu 13 Aug 2026, 12:00 UTC" in notice
    assert "Tue 11 Aug 2026, 12:00 UTC" in notice

    wall.advance(hours=47, minutes=30)
    run_dispatch(services, wall)
    assert len(mails.mails) == 3
    assert subjects(mails)[2] == "Round 2261 starts in 1 day 30 minutes"
    assert ledger(services) == [
        ("reminder", 1, "email", "sent"),
        ("rescheduled", 2, "email", "sent"),
        ("reminder", 2, "email", "sent"),
    ]


def test_a_contest_moved_near_is_told_once(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce("2261", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 2 * HOUR)

    for _ in range(3):
        run_dispatch(services, wall)
        wall.advance(minutes=30)

    assert len(mails.mails) == 2
    assert ledger(services) == [
        ("reminder", 1, "email", "sent"),
        ("rescheduled", 2, "email", "sent"),
        ("reminder", 2, "email", "cancelled"),
    ]


def test_a_contest_moved_twice_is_told_with_the_time_told_last(services, mails, wall):
    add_user(services, notify_before_hours=168)
    contest = add_contest(services, announce("2261", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 48 * HOUR)
    move_contest(services, contest, NOW + 96 * HOUR)

    run_dispatch(services, wall)

    notice = mails.mails[1].get_body(("plain",)).get_content()
    assert "Old time  Tue 11 Aug 2026, 12:00 UTC" in notice
    assert len(mails.mails) == 2


def test_a_contest_moved_before_anybody_was_told_is_a_plain_reminder(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce("2261", NOW + 72 * HOUR))
    move_contest(services, contest, NOW + 24 * HOUR)

    run_dispatch(services, wall)

    assert ledger(services) == [("reminder", 2, "email", "sent")]


def test_a_cancelled_contest_is_told_once_to_those_who_were_told_of_it(services, mails, wall):
    add_user(services, "ada")
    contest = add_contest(services, announce("2261", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    add_user(services, "late")
    change_contest(services, contest, is_active=False, cancelled_at=NOW)

    run_dispatch(services, wall)
    run_dispatch(services, wall)

    assert subjects(mails)[1:] == ["Cancelled: Round 2261"]
    assert "Tue 11 Aug 2026, 12:00 UTC" in mails.mails[1].get_body(("plain",)).get_content()
    assert mails.recipients == ["ada@example.test", "ada@example.test"]


def test_a_contest_that_is_over_is_not_told_as_cancelled(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce("2261", NOW + HOUR))
    run_dispatch(services, wall)
    change_contest(services, contest, is_active=False, cancelled_at=NOW)
    wall.advance(hours=1)

    run_dispatch(services, wall)

    assert len(mails.mails) == 1


def after_claim(services: Services, wall: WallClock, change) -> JobResult:
    """A dispatch during which ``change`` happens after its rows are entered, before they are looked at again."""
    run = make_run(as_of=wall())
    seen = services.now

    pending = [change]

    def look() -> datetime:
        if statuses(services) == ["queued"] and pending:
            pending.pop()()
        return seen()

    return dispatch.dispatch_notifications(run, replace(services, now=look))


@pytest.mark.parametrize(
    "columns",
    [
        {"is_active": False},
        {"is_email_verified": False},
        {"channels": {"email": False}},
        {"channels": {}},
        {"email": ""},
    ],
)
def test_who_opts_out_between_claim_and_send_gets_nothing(services, mails, wall, columns):
    user = add_user(services)
    add_contest(services, announce())

    result = after_claim(services, wall, lambda: change_user(services, user, **columns))

    assert (result.counts["cancelled_opted_out"], result.counts["sent"]) == (1, 0)
    (row,) = rows(services, deliveries)
    assert (row.status, row.reason) == ("cancelled", "opted_out")
    assert mails.mails == []


@pytest.mark.parametrize(
    "columns",
    [
        {"start_time": NOW},
        {"cancelled_at": NOW},
        {"is_active": False},
    ],
)
def test_what_is_no_longer_true_between_claim_and_send_is_not_sent(services, mails, wall, columns):
    add_user(services)
    contest = add_contest(services, announce())

    result = after_claim(services, wall, lambda: change_contest(services, contest, **columns))

    assert (result.counts["cancelled_stale"], result.counts["sent"]) == (1, 0)
    assert mails.mails == []


def test_a_contest_moved_between_claim_and_send_is_told_with_its_new_time_alone(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce())

    after_claim(services, wall, lambda: move_contest(services, contest, NOW + 2 * HOUR))

    run_dispatch(services, wall)

    assert ledger(services) == [("reminder", 1, "email", "cancelled"), ("reminder", 2, "email", "sent")]
    assert subjects(mails) == ["Round 2261 starts in 2 hours"]


def test_a_run_held_up_past_the_start_sends_nothing(services, mails, wall):
    add_user(services)
    add_contest(services, announce("2261", NOW + HOUR))
    run = make_run(as_of=wall(), schedule="dispatch")
    wall.advance(hours=2)

    result = dispatch.dispatch_notifications(run, services)

    assert (result.counts["claimed"], result.counts["cancelled_stale"]) == (1, 1)
    assert mails.mails == []


def test_a_run_by_hand_as_of_the_past_tells_what_was_due_then(services, mails, wall):
    add_user(services)
    add_contest(services, announce("2261", NOW + HOUR))
    wall.advance(days=90)

    result = dispatch.dispatch_notifications(make_run(as_of=NOW), services)
    again = dispatch.dispatch_notifications(make_run(as_of=NOW, id=2), services)

    assert (result.counts["sent"], len(mails.mails), again.counts["sent"]) == (1, 1, 0)


def test_a_contest_deleted_and_synchronised_again_is_not_told_again(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    run_dispatch(services, wall)
    with writing(services.engine) as connection:
        connection.execute(delete(contests))
    add_contest(services, announce())

    run_dispatch(services, wall)

    assert len(mails.mails) == 1
    assert contest_of(services, "2261").id is not None


def test_a_dry_run_counts_and_leaves_the_database_as_it_was(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    before = dump(services.engine)

    result = run_dispatch(services, wall, dry_run=True)

    assert (result.status, result.counts["pairs_due"]) == ("dry_run", 1)
    assert result.details["would_send"] == {"rescheduled": 0, "cancelled": 0, "reinstated": 0, "reminder": 1}
    assert dump(services.engine) == before
    assert mails.mails == []


def test_muted_senders_send_and_write_nothing(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    before = dump(services.engine)

    result = run_dispatch(services, wall, muted=True)

    assert (result.status, result.details["would_send"]["reminder"]) == ("skipped", 1)
    assert dump(services.engine) == before


def told_of_notices(services) -> set[str]:
    """What the ledger says of the rows of the inbox."""
    with reading(services.engine) as connection:
        query = select(deliveries.c.status).join(notifications, is_about())
        return set(connection.scalars(query))


def test_the_inbox_has_one_row_a_message_whatever_the_channels(services, mails, hooks, wall):
    add_user(services, channels=ALL_ON, phone="+15550100", push_token="token")
    add_contest(services, announce())
    hooks.scenarios["push"] = "gone"

    run_dispatch(services, wall)

    (notice,) = inbox(services)
    assert (notice.type, notice.kind, notice.payload["platform"]) == ("CONTEST_REMINDER", "reminder", "codeforces")
    assert told_of_notices(services) == {"queued", "sent"}


def test_an_inbox_row_whose_channels_all_failed_says_so(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    mails.scenario = "hard-bounce"

    run_dispatch(services, wall)

    assert told_of_notices(services) == {"failed"}


def test_no_address_and_no_name_appears_in_the_result(services, mails, hooks, wall):
    add_user(services, "secretive", channels=ALL_ON, phone="+15550199", push_token="token-secretive")
    add_contest(services, announce())
    mails.scenario = "hard-bounce"
    hooks.scenarios |= {"whatsapp": "outage", "push": "gone"}

    told = str(run_dispatch(services, wall).as_dict())

    for secret in ("secretive@", "Secretive", "+15550199", "token-secretive"):
        assert secret not in told


def test_many_people_are_told_by_pages(services, mails, wall):
    add_users(services, 250)
    add_contest(services, announce())
    run = make_run(as_of=wall())

    result = dispatch.dispatch_notifications(run, services)

    assert result.counts["sent"] == 250
    assert len(set(mails.recipients)) == 250
    assert mails.connections <= 12


def test_a_run_stopped_half_way_goes_on_where_it_was(services, mails, wall):
    add_users(services, 270)
    add_contest(services, announce())
    home = FakeHome()
    run = make_run(as_of=wall(), home=home)
    keep = mails.keep

    def keep_and_stop(envelope) -> None:
        keep(envelope)
        if mails.count == 205:
            home.stop(RunLostError())

    mails.keep = keep_and_stop
    with pytest.raises(RunLostError):
        dispatch.dispatch_notifications(run, services)
    assert 205 <= mails.count < 270

    again = make_run(as_of=wall(), attempt=2, checkpoint=run.checkpoint)
    result = dispatch.dispatch_notifications(again, services)

    assert len(mails.recipients) == len(set(mails.recipients)) == 270
    assert (result.counts["pairs_due"], result.counts["unknown"]) == (270, 0)
