"""CN-3: what is old enough to go, to the microsecond, and what stops a step. On both databases where SQL differs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from apps.codenotify import cleanup, dispatch
from apps.codenotify.tables import contests, notifications, users
from rota.messages import deliveries
from rota.recipes import audit, writing
from rota.testing import make_run
from tests.codenotify.helpers import (
    DAY,
    HOUR,
    NOW,
    add_contest,
    add_user,
    add_users,
    announce,
    count,
    dump,
    inbox,
    rows,
)

JUST = timedelta(microseconds=1)


def clean(services, as_of=NOW, **options):
    return cleanup.cleanup_old_data(make_run(as_of=as_of, **options), services)


def add_notification(services, user_id, created_at, read_at=None, name="x"):
    row = {
        "user_id": user_id,
        "contest_key": f"codeforces:{name}",
        "kind": "reminder",
        "schedule_version": 1,
        "type": "CONTEST_REMINDER",
        "title": "t",
        "message": "m",
        "payload": {},
        "created_at": created_at,
        "read_at": read_at,
    }
    with writing(services.engine) as connection:
        connection.execute(notifications.insert().values(row))


@pytest.mark.parametrize(("age", "stays"), [(30 * DAY, True), (30 * DAY + JUST, False), (30 * DAY - JUST, True)])
def test_a_contest_goes_when_it_ended_more_than_30_days_ago(services, age, stays):
    add_contest(services, announce("1", NOW - age - 2 * HOUR))

    assert clean(services).counts["contests_deleted"] == (not stays)
    assert count(services, contests) == stays


def test_a_contest_goes_by_time_whatever_its_phase_says(services):
    add_contest(services, announce("1", NOW - 40 * DAY), phase="BEFORE")

    assert clean(services).counts["contests_deleted"] == 1


def test_a_deleted_contest_leaves_its_notification_readable(database_url, services, mails, wall):
    add_user(services)
    add_contest(services, announce("1", NOW + DAY))
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    clean(services, as_of=NOW + 32 * DAY)

    (notice,) = inbox(services)
    assert (notice.contest_id, notice.payload["name"], notice.payload["platform"]) == (None, "Round 1", "codeforces")
    assert count(services, deliveries) == 1


@pytest.mark.parametrize(("age", "stays"), [(90 * DAY, True), (90 * DAY + JUST, False)])
def test_a_read_notification_goes_after_90_days(services, age, stays):
    add_notification(services, add_user(services), NOW - age, read_at=NOW)

    assert clean(services).counts["notifications_deleted"] == (not stays)


def test_an_unread_notification_stays(services):
    add_notification(services, add_user(services), NOW - 120 * DAY)

    assert clean(services).counts["notifications_deleted"] == 0
    assert count(services, notifications) == 1


def test_unread_ones_go_only_if_a_retention_is_set(open_services):
    services = open_services(unread_retention_days=365)
    user = add_user(services)
    add_notification(services, user, NOW - 365 * DAY, name="at")
    add_notification(services, user, NOW - 365 * DAY - JUST, name="before")

    assert clean(services).counts["unread_deleted"] == 1


def test_the_ledger_goes_with_its_notification_once_the_contest_is_a_week_over(services, mails, wall):
    add_user(services)
    add_contest(services, announce("1", NOW + DAY))
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)
    with writing(services.engine) as connection:
        connection.execute(notifications.update().values(read_at=NOW, created_at=NOW - 91 * DAY))

    clean(services)
    assert (count(services, notifications), count(services, deliveries)) == (0, 1)


@pytest.mark.parametrize(
    ("columns", "stays"),
    [
        ({"last_login_at": NOW - 180 * DAY}, True),
        ({"last_login_at": NOW - 180 * DAY - JUST}, False),
        ({"last_login_at": NOW - 300 * DAY, "last_active_at": NOW - DAY}, True),
        ({"last_login_at": NOW - DAY, "last_active_at": NOW - 300 * DAY}, True),
        ({"last_login_at": None, "last_active_at": NOW - DAY}, True),
        ({"last_login_at": None, "last_active_at": NOW - 181 * DAY}, False),
        ({"created_at": NOW - 180 * DAY}, True),
        ({"created_at": NOW - 180 * DAY - JUST}, False),
        ({"created_at": NOW - 400 * DAY, "last_login_at": NOW - DAY}, True),
        ({"created_at": NOW - 400 * DAY, "role": "admin"}, True),
    ],
)
def test_who_is_inactive_for_180_days_is_marked_so_and_nothing_is_deleted(services, columns, stays):
    add_user(services, **columns)

    result = clean(services)

    (user,) = rows(services, users)
    assert (user.is_active, result.counts["users_deactivated"]) == (stays, not stays)
    assert user.deactivation_reason == (None if stays else "inactive_180d")
    assert user.deactivated_at == (None if stays else NOW)


@pytest.mark.parametrize(
    ("columns", "stays"),
    [
        ({"refresh_token_expires_at": NOW}, True),
        ({"refresh_token_expires_at": NOW - JUST}, False),
        ({"last_login_at": NOW - 7 * DAY}, True),
        ({"last_login_at": NOW - 7 * DAY - JUST}, False),
        ({"created_at": NOW - 8 * DAY}, False),
        ({"created_at": NOW - 8 * DAY, "last_login_at": NOW - DAY}, True),
    ],
)
def test_a_refresh_token_is_cleared_when_it_has_expired(services, columns, stays):
    add_user(services, refresh_token_hash="hash", **columns)

    assert clean(services).counts["tokens_cleared"] == (not stays)
    assert (rows(services, users)[0].refresh_token_hash is not None) == stays


def test_a_second_run_finds_nothing(services):
    user = add_user(services, last_login_at=NOW - 200 * DAY, refresh_token_hash="hash")
    add_contest(services, announce("1", NOW - 40 * DAY))
    add_notification(services, user, NOW - 100 * DAY, read_at=NOW)

    first, second = clean(services), clean(services, id=2)

    assert set((first.counts | {"deliveries_deleted": 1}).values()) == {1}
    assert set(second.counts.values()) == {0}


def test_each_step_and_batch_is_audited_with_its_cutoff(services):
    add_users(services, 600, last_login_at=NOW - 200 * DAY)

    clean(services)

    audited = [row for row in rows(services, audit) if row.details["part"].endswith("users_deactivated")]
    assert [row.count for row in audited] == [500, 100]
    assert audited[0].cutoff == NOW - 180 * DAY
    assert len(audited[0].sample) == 5


def test_a_step_that_would_touch_most_of_a_table_is_stopped_before_it_begins(services):
    with writing(services.engine) as connection:
        old = [announce(str(number), NOW - 40 * DAY).columns(NOW) for number in range(1_001)]
        ours = {"first_seen_at": NOW, "last_synced_at": NOW}
        connection.execute(contests.insert(), [row | ours for row in old])
    add_user(services, refresh_token_hash="hash", refresh_token_expires_at=NOW - DAY)

    result = clean(services)

    assert (result.status, result.counts["contests_deleted"], result.counts["tokens_cleared"]) == (
        "aborted_guard",
        0,
        1,
    )
    assert "1,001 rows are 100.0% of 1,001 rows" in result.errors[0]["message"]
    assert count(services, contests) == 1_001


def test_a_thousand_rows_are_no_reason_to_stop(services):
    with writing(services.engine) as connection:
        old = [announce(str(number), NOW - 40 * DAY).columns(NOW) for number in range(1_000)]
        ours = {"first_seen_at": NOW, "last_synced_at": NOW}
        connection.execute(contests.insert(), [row | ours for row in old])

    assert clean(services).counts["contests_deleted"] == 1_000


def test_a_step_that_fails_leaves_the_others_done(services):
    add_contest(services, announce("1", NOW - 40 * DAY))
    add_user(services, refresh_token_hash="hash", refresh_token_expires_at=NOW - DAY)
    with writing(services.engine) as connection:
        connection.execute(
            text("CREATE TRIGGER no_delete BEFORE DELETE ON contests BEGIN SELECT RAISE(ABORT, 'no'); END")
        )

    result = clean(services)

    assert (result.status, result.counts["tokens_cleared"], result.counts["contests_deleted"]) == ("partial", 1, 0)
    assert result.errors == [{"item": "contests_deleted: 1", "kind": "refused", "message": "IntegrityError"}]


def test_a_dry_run_counts_and_leaves_the_database_as_it_was(services):
    user = add_user(services, last_login_at=NOW - 200 * DAY, refresh_token_hash="hash")
    add_contest(services, announce("1", NOW - 40 * DAY))
    add_notification(services, user, NOW - 100 * DAY, read_at=NOW)
    before = dump(services.engine)

    result = clean(services, dry_run=True)

    assert result.status == "dry_run"
    assert set((result.counts | {"deliveries_deleted": 1}).values()) == {1}
    assert dump(services.engine) == before
