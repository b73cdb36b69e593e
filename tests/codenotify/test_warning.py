"""The warning before somebody is marked inactive: who gets it, when, and that it is one for each stretch."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from apps.codenotify import cleanup, dispatch, people
from apps.codenotify.blueprint import make_blueprint
from apps.codenotify.links import Pages
from apps.codenotify.tables import users
from apps.codenotify.tokens import url
from rota import Rota
from rota.messages import deliveries, ledger
from rota.recipes import writing
from rota.testing import ManualClock, make_run, run_due
from tests.codenotify.helpers import (
    DAY,
    NOW,
    add_user,
    add_users,
    change_user,
    count,
    dump,
    inbox,
    mend,
    rows,
    statuses,
)
from tests.codenotify.helpers import ledger as ledger_of

SECOND, JUST = timedelta(seconds=1), timedelta(microseconds=1)
AWAY = NOW - 170 * DAY
"""When somebody was last here who is to be warned."""


@pytest.fixture
def services(open_services):
    return open_services(notify_inactive=True)


def clean(services, **options):
    return cleanup.cleanup_old_data(make_run(as_of=services.now(), **options), services)


def again(services):
    return dispatch.retry_failed_deliveries(make_run(as_of=services.now()), services)


def is_active(services, user_id=1):
    (user,) = (row for row in rows(services, users) if row.id == user_id)
    return user.is_active


@pytest.mark.parametrize(
    ("age", "warned", "stays"),
    [
        (166 * DAY, 0, True),
        (166 * DAY + JUST, 1, True),
        (166 * DAY + SECOND, 1, True),
        (180 * DAY - JUST, 1, True),
        (180 * DAY, 0, True),
        (180 * DAY + SECOND, 0, False),
    ],
)
def test_who_was_away_for_166_days_and_not_yet_180_is_warned(database_url, services, mails, age, warned, stays):
    add_user(services, last_login_at=NOW - age)

    result = clean(services)

    assert (result.status, result.counts["users_warned"]) == ("success", warned)
    assert len(mails.mails) == count(services, deliveries) == warned
    assert is_active(services) == stays


@pytest.mark.parametrize(
    ("columns", "warned"),
    [
        ({"last_login_at": NOW - 300 * DAY, "last_active_at": AWAY}, 1),
        ({"last_login_at": AWAY, "last_active_at": NOW - 300 * DAY}, 1),
        ({"last_login_at": AWAY, "last_active_at": AWAY}, 1),
        ({"last_login_at": None, "last_active_at": AWAY}, 1),
        ({"last_login_at": None, "last_active_at": None, "created_at": AWAY}, 1),
        ({"last_login_at": AWAY, "last_active_at": NOW - DAY}, 0),
        ({"last_login_at": NOW - DAY, "last_active_at": AWAY}, 0),
        ({"last_login_at": NOW - DAY, "created_at": AWAY}, 0),
    ],
)
def test_activity_is_what_it_is_for_those_who_are_marked(database_url, services, mails, columns, warned):
    add_user(services, **columns)

    assert clean(services).counts["users_warned"] == warned


@pytest.mark.parametrize(
    "columns",
    [
        {"role": "admin"},
        {"is_active": False},
        {"is_email_verified": False},
        {"channels": {"email": False}},
        {"channels": {}},
        {"channels": {"email": False, "whatsapp": True}, "phone": "+447700900001"},
        {"email": ""},
    ],
)
def test_nobody_is_warned_who_gets_no_mail_or_is_never_marked(database_url, services, mails, hooks, columns):
    add_user(services, last_login_at=AWAY, **columns)

    assert clean(services).counts["users_warned"] == 0
    assert (mails.mails, hooks.requests, ledger_of(services)) == ([], [], [])


def test_who_unsubscribed_is_not_warned_and_still_marked(services, mails, wall):
    user = add_user(services, last_login_at=AWAY)
    people.unsubscribe(services.engine, user)

    assert clean(services).counts["users_warned"] == 0
    wall.advance(days=11)
    assert clean(services).counts["users_deactivated"] == 1
    assert mails.mails == []


@pytest.mark.parametrize("columns", [{"alert_frequency": "weekly"}, {"platforms": []}, {"contest_types": ["ABC"]}])
def test_how_often_and_of_what_somebody_likes_to_hear_plays_no_part(services, mails, columns):
    add_user(services, last_login_at=AWAY, **columns)

    assert clean(services).counts["users_warned"] == 1


def test_other_channels_carry_no_warning(services, mails, hooks):
    add_user(services, last_login_at=AWAY, channels={"email": True, "push": True}, push_token="token")

    clean(services)

    assert (len(mails.mails), hooks.requests) == (1, [])


@pytest.mark.parametrize("off", [{"notify_inactive": False}, {"notifications_enabled": False}])
def test_switched_off_nobody_is_warned_and_all_are_marked_as_ever(open_services, mails, wall, off):
    services = open_services(**{"notify_inactive": True} | off)
    add_user(services, last_login_at=AWAY)

    result = clean(services)
    wall.advance(days=10)
    assert "users_warned" not in result.counts
    assert clean(services).counts["users_deactivated"] == 0
    wall.advance(seconds=1)
    assert clean(services).counts["users_deactivated"] == 1
    assert mails.mails == []


def test_the_mail_tells_the_date_in_the_zone_of_its_reader_and_has_the_link_that_keeps_the_account(services, mails):
    add_user(services, last_login_at=AWAY, time_zone="Asia/Tokyo")

    clean(services)

    (mail,) = mails.mails
    link = url(services.settings, "keep", 1)
    assert link.startswith("https://codenotify.example/keep?user=1&token=")
    assert mail["Subject"] == "Your account goes quiet on Thu 20 Aug 2026, 21:00 JST (12:00 UTC)"
    assert link in mail.get_body(("plain",)).get_content()
    assert link.replace("&", "&amp;") in mail.get_body(("html",)).get_content()
    assert "21:00 JST" in mail.get_body(("html",)).get_content()
    assert mail["List-Unsubscribe"].startswith("<https://codenotify.example/unsubscribe?user=1&token=")


def test_the_inbox_has_the_warning_and_opening_it_keeps_the_account(services, mails, wall):
    add_user(services, last_login_at=AWAY)
    clean(services)

    (notice,) = inbox(services)
    people.read_notification(services.engine, notice.id, wall())
    wall.advance(days=11)

    assert (notice.type, notice.payload) == ("SYSTEM_ALERT", {"quiet_from": (AWAY + 180 * DAY).isoformat()})
    assert clean(services).counts["users_deactivated"] == 0


def test_the_link_keeps_the_account_of_its_reader_and_nobody_else(services, mails, wall):
    ada, bob = add_user(services, "ada", last_login_at=AWAY), add_user(services, "bob", last_login_at=AWAY)
    clean(services)
    wall.advance(days=9)
    body = next(mail for mail in mails.mails if "ada" in mail["To"]).get_body(("plain",)).get_content()
    token = re.search(r"/keep\?user=1&token=(\w+)", body)[1]

    pages = Pages(services.settings)
    answers = [pages.answer("/keep", {"user": [str(user)], "token": [token]}, {}) for user in (bob, ada)]
    assert [answer.status for answer in answers] == [403, 200]
    wall.advance(days=2)
    clean(services)

    assert (is_active(services, ada), is_active(services, bob)) == (True, False)


def test_a_second_run_and_all_later_ones_warn_nobody_again(database_url, services, mails, wall):
    add_user(services, last_login_at=NOW - 166 * DAY - SECOND)

    warned = [clean(services).counts["users_warned"]]
    for _ in range(15):
        warned.append(clean(services).counts["users_warned"])
        wall.advance(days=1)

    assert warned == [1] + [0] * 15
    assert len(mails.mails) == 1
    assert not is_active(services)


def test_who_came_back_and_went_away_again_is_warned_again(database_url, services, mails, wall):
    user = add_user(services, last_login_at=AWAY)
    clean(services)
    wall.advance(days=1)
    change_user(services, user, last_login_at=wall(), last_active_at=wall())

    wall.advance(days=166)
    assert clean(services).counts["users_warned"] == 0
    wall.advance(seconds=1)
    assert clean(services).counts["users_warned"] == 1
    assert clean(services).counts["users_warned"] == 0

    assert ledger_of(services) == [
        ("inactive:2026-02-21", 1, "email", "sent"),
        ("inactive:2026-08-11", 1, "email", "sent"),
    ]
    assert len(mails.mails) == 2


@pytest.mark.parametrize("moment", ["2026-02-21T00:00:00+00:00", "2026-02-21T23:59:59.999999+00:00"])
def test_a_stretch_is_named_for_the_utc_date_on_which_it_began(database_url, services, mails, moment):
    add_user(services, last_login_at=NOW.fromisoformat(moment))

    clean(services)

    assert ledger_of(services) == [("inactive:2026-02-21", 1, "email", "sent")]


def test_one_failing_address_does_not_stop_the_others_or_the_clean_up(database_url, services, mails):
    for name in ("ada", "bob", "eve"):
        add_user(services, name, last_login_at=AWAY)
    add_user(services, "no address", last_login_at=AWAY)
    add_user(services, "old", last_login_at=NOW - 200 * DAY)
    mails.bouncing["bob@example.test"] = "hard-bounce"

    result = clean(services)

    assert (result.status, result.counts["users_warned"], result.counts["users_deactivated"]) == ("partial", 2, 1)
    assert (result.details["users_warned"]["failed"], result.error_count) == (2, 2)
    assert mails.recipients == ["ada@example.test", "eve@example.test"]
    assert "@" not in str(result.as_dict())


def test_a_refused_address_is_not_tried_again(services, mails, wall):
    add_user(services, last_login_at=AWAY)
    mails.scenario = "hard-bounce"
    clean(services)
    mails.scenario = "ok"
    wall.advance(hours=1)

    assert (again(services).counts["claimed"], clean(services).counts["users_warned"]) == (0, 0)


@pytest.fixture
def failed_once(services, mails):
    """One warning that the mail server was too busy for."""
    add_user(services, last_login_at=AWAY)
    mails.scenario = "soft-bounce"
    clean(services)
    assert statuses(services) == ["queued"]
    mails.scenario = "ok"
    return services


def test_a_failed_mail_is_tried_again_after_its_wait_and_never_by_the_clean_up(failed_once, mails, wall):
    assert clean(failed_once).counts["users_warned"] == 0
    wall.advance(minutes=5, seconds=-1)
    assert again(failed_once).counts["claimed"] == 0
    wall.advance(seconds=1)

    assert again(failed_once).counts["sent"] == 1
    assert clean(failed_once).counts["users_warned"] == 0
    assert len(mails.mails) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"last_login_at": NOW}, "stale"),
        ({"last_active_at": NOW}, "stale"),
        ({"role": "admin"}, "stale"),
        ({"is_active": False}, "opted_out"),
        ({"is_email_verified": False}, "opted_out"),
        ({"channels": {"email": False}}, "opted_out"),
    ],
)
def test_a_failed_mail_is_dropped_if_it_is_no_longer_true_or_wanted(failed_once, mails, wall, change, reason):
    change_user(failed_once, 1, **change)
    wall.advance(minutes=5)

    assert again(failed_once).counts[f"cancelled_{reason}"] == 1
    assert (statuses(failed_once), mails.mails) == (["cancelled"], [])


def test_a_failed_mail_is_not_tried_after_the_180_days(failed_once, mails, wall):
    wall.now = AWAY + 180 * DAY

    assert again(failed_once).counts["claimed"] == 0
    assert mails.mails == []


def test_a_run_held_up_past_the_180_days_warns_nobody(services, mails, wall):
    add_user(services, last_login_at=NOW - 179 * DAY)
    wall.advance(days=1)

    result = cleanup.cleanup_old_data(make_run(as_of=NOW, schedule="cleanup"), services)

    assert (result.counts["users_warned"], result.details["users_warned"]["cancelled_stale"]) == (0, 1)
    assert mails.mails == []


def test_what_an_outage_kept_back_arrives_later_once(services, mails, wall):
    add_users(services, 250, last_login_at=AWAY)
    mails.scenario = "outage"
    result = clean(services)
    mails.scenario = "ok"
    mend(services)
    wall.advance(minutes=6)

    sent = [again(services).counts["sent"] for _ in range(4)]

    assert (result.status, result.details["users_warned"]["stopped"]) == ("partial", "dependency_down")
    assert (sent[0] >= 100, sum(sent), sent[3]) == (True, 250, 0)
    assert clean(services).counts["users_warned"] == 0
    assert mails.recipients == sorted(user.email for user in rows(services, users))


def test_a_dry_run_counts_and_leaves_everything_as_it_was(database_url, services, mails):
    add_user(services, last_login_at=AWAY)
    before = dump(services.engine)

    result = clean(services, dry_run=True)

    assert (result.status, result.counts["users_warned"]) == ("dry_run", 1)
    assert (dump(services.engine), mails.mails) == (before, [])


def test_muted_senders_warn_nobody_and_the_clean_up_is_done(services, mails):
    add_user(services, last_login_at=AWAY)
    add_user(services, "old", last_login_at=NOW - 200 * DAY)

    result = clean(services, muted=True)

    assert (result.counts["users_warned"], result.counts["users_deactivated"]) == (0, 1)
    assert result.details["users_warned"]["would_send"] == 1
    assert (mails.mails, ledger_of(services)) == ([], [])


def test_more_than_half_of_all_people_are_not_written_to(services, mails):
    add_users(services, 1_001, last_login_at=AWAY, refresh_token_hash="hash")

    result = clean(services)

    assert (result.status, result.counts["users_warned"]) == ("aborted_guard", 0)
    assert result.errors[0] == {
        "item": "users_warned",
        "kind": "guard",
        "message": "would write to 1001 of 1001 people",
    }
    assert (mails.mails, count(services, deliveries)) == ([], 0)


def test_a_warning_that_cannot_be_entered_leaves_the_other_steps_done(services, mails):
    add_user(services, last_login_at=AWAY)
    add_user(services, "old", last_login_at=NOW - 200 * DAY)
    with writing(services.engine) as connection:
        connection.execute(
            text("CREATE TRIGGER no_row BEFORE INSERT ON rota_message BEGIN SELECT RAISE(ABORT, 'no'); END")
        )

    result = clean(services)

    assert (result.status, result.counts["users_warned"], result.counts["users_deactivated"]) == ("partial", 0, 1)
    assert result.errors == [{"item": "users_warned", "kind": "database", "message": "IntegrityError"}]
    assert mails.mails == []


def test_what_was_sent_before_the_database_refused_a_page_is_counted(services, mails):
    add_users(services, 250, last_login_at=AWAY)
    with writing(services.engine) as connection:
        connection.execute(
            text(
                "CREATE TRIGGER no_more BEFORE UPDATE ON rota_message WHEN NEW.status = 'claimed'"
                " AND (SELECT count(*) FROM rota_message WHERE status <> 'queued') >= 60"
                " BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        )

    result = clean(services)

    sent = len(mails.mails)
    assert (result.status, result.counts["users_warned"], 0 < sent <= 60) == ("partial", sent, True)
    assert result.errors == [{"item": "users_warned", "kind": "database", "message": "IntegrityError"}]


def test_the_row_that_prevents_a_second_mail_is_kept_till_the_account_is_quiet(database_url, services, mails):
    add_user(services, last_login_at=AWAY)
    clean(services)

    [delivery], [notice] = rows(services, deliveries), inbox(services)
    assert delivery.useful_until == AWAY + 180 * DAY
    assert notice.expires_at > AWAY + 180 * DAY


def test_two_clean_ups_at_once_warn_everybody_once(database_url, open_services, mails):
    workers = [open_services(notify_inactive=True) for _ in range(2)]
    add_users(workers[0], 250, last_login_at=AWAY)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda services, number: clean(services, id=number), workers, (1, 2)))

    assert sum(result.counts["users_warned"] for result in results) == 250
    assert mails.recipients == sorted(f"user{number}@example.test" for number in range(250))


class Killed(BaseException):
    """As if the process had ended here: nothing after it is done."""


def die_at(services, function):
    """A clean-up that ends where it would call ``function`` of the ledger: nothing from outside reaches that point."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, function, lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            clean(services)


def test_a_crash_after_a_mail_was_accepted_never_leads_to_a_second_one(database_url, services, mails, wall):
    add_user(services, last_login_at=AWAY)
    die_at(services, "settle")

    assert clean(services).counts["users_warned"] == 0
    wall.advance(minutes=6)
    again(services)
    again(services)

    assert (clean(services).counts["users_warned"], statuses(services), len(mails.mails)) == (0, ["unknown"], 1)


def test_a_crash_before_sending_loses_no_warning(database_url, services, mails, wall):
    add_user(services, last_login_at=AWAY)
    die_at(services, "claim")
    assert (statuses(services), mails.mails) == (["queued"], [])

    assert clean(services).counts["users_warned"] == 1
    wall.advance(minutes=6)

    assert again(services).counts["sent"] == 0
    assert (statuses(services), len(mails.mails)) == (["sent"], 1)


def test_who_came_back_before_a_vanished_sender_is_replaced_gets_nothing(database_url, services, mails, wall):
    user = add_user(services, last_login_at=AWAY)
    die_at(services, "claim")
    people.record_activity(services.engine, user, wall())
    wall.advance(minutes=6)

    assert again(services).counts["cancelled_stale"] == 1
    assert mails.mails == []


@pytest.mark.parametrize(
    ("environment", "statuses_said", "sent"),
    [("production", ["success"], 1), ("staging", ["dry_run"], 0), ("development", [], 0)],
)
def test_mails_go_to_people_in_production_alone(tmp_path, services, mails, environment, statuses_said, sent):
    clock = ManualClock(NOW)
    around = replace(services, now=clock.now)
    add_user(around, last_login_at=AWAY)
    app = Rota(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock, environment=environment)
    app.include(make_blueprint(replace(services.settings, sync_enabled=False), lambda: around))
    run_due(app)

    clock.set(NOW + DAY)
    done = [json.loads(run.result) for run in run_due(app) if run.job == "codenotify/cleanup-old-data"]
    app.close()

    assert [result["status"] for result in done] == statuses_said
    assert [result["counts"]["users_warned"] for result in done] == [1] * len(statuses_said)
    assert len(mails.mails) == count(around, deliveries) == len(inbox(around)) == sent


@pytest.mark.parametrize(("off", "sends"), [({}, True), ({"notify_inactive": False}, False)])
def test_the_job_says_that_it_sends_if_it_does(services, off, sends):
    app = Rota("sqlite://")
    app.include(make_blueprint(replace(services.settings, **off), lambda: services))

    assert app.jobs["codenotify/cleanup-old-data"].sends == sends
