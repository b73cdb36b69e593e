"""CN-2b: when a failed message is tried again, and when no more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.codenotify import dispatch, mailings
from apps.codenotify.settings import Settings
from rota.messages import deliveries
from rota.testing import make_run
from tests.codenotify.helpers import (
    NOW,
    add_contest,
    add_user,
    add_users,
    announce,
    change_user,
    dump,
    rows,
    statuses,
)


@pytest.fixture
def failed_once(services, mails, wall):
    """One reminder that the mail server was too busy for."""
    add_user(services)
    add_contest(services, announce())
    mails.scenario = "soft-bounce"
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)
    assert statuses(services) == ["queued"]
    return services


def again(services, wall, **options):
    return dispatch.retry_failed_deliveries(make_run(as_of=wall(), **options), services)


def test_the_waits_are_5_15_and_45_minutes():
    minutes = [wait // timedelta(minutes=1) for wait in mailings.delays(Settings(max_attempts=4))]
    assert minutes == [5, 15, 45]


def test_a_message_waits_5_then_15_minutes_and_is_given_up_after_three_tries(failed_once, wall):
    for minutes in (5, 15):
        wall.advance(minutes=minutes, seconds=-1)
        assert again(failed_once, wall).counts["claimed"] == 0
        wall.advance(seconds=1)
        assert again(failed_once, wall).counts["failed"] == 1
    wall.advance(hours=2)

    assert again(failed_once, wall).counts["claimed"] == 0
    assert rows(failed_once, deliveries)[0].attempts == 3


def test_a_later_try_that_succeeds_is_sent_once(failed_once, mails, wall):
    mails.scenario = "ok"
    wall.advance(minutes=5)

    assert again(failed_once, wall).counts["sent"] == 1
    wall.advance(minutes=30)
    assert again(failed_once, wall).counts["claimed"] == 0
    assert len(mails.mails) == 1


def test_a_permanent_failure_is_not_tried_again(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    mails.scenario = "hard-bounce"
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)
    wall.advance(hours=1)

    assert again(services, wall).counts["claimed"] == 0


def test_a_contest_that_has_started_is_not_told_of_any_more(failed_once, mails, wall):
    mails.scenario = "ok"
    wall.advance(hours=24)

    assert again(failed_once, wall).counts["claimed"] == 0
    assert mails.mails == []


def test_who_opted_out_meanwhile_gets_nothing(failed_once, mails, wall):
    mails.scenario = "ok"
    change_user(failed_once, 1, channels={})
    wall.advance(minutes=5)

    assert again(failed_once, wall).counts["cancelled_opted_out"] == 1
    assert mails.mails == []


def test_at_most_a_hundred_a_run(services, mails, wall):
    add_users(services, 130)
    add_contest(services, announce())
    for number in range(130):
        mails.bouncing[f"user{number}@example.test"] = "soft-bounce" if number % 3 else "ok"
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)
    failed = statuses(services).count("queued")
    mails.bouncing.clear()
    wall.advance(minutes=5)

    assert again(services, wall).counts["sent"] == min(100, failed)


def test_a_dry_run_leaves_the_database_as_it_was(failed_once, wall):
    wall.advance(minutes=5)
    before = dump(failed_once.engine)

    result = again(failed_once, wall, dry_run=True)

    assert (result.status, result.details["would_retry"]) == ("dry_run", 1)
    assert dump(failed_once.engine) == before
    assert wall() == NOW + timedelta(minutes=5)
