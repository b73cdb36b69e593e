"""CN-2c and CN-2d: one message for a day or a week."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.codenotify import dispatch
from rota.testing import make_run
from tests.codenotify.helpers import DAY, HOUR, NOW, add_contest, add_user, announce, dump, inbox, ledger, statuses

EIGHT = NOW.replace(hour=8)


@pytest.fixture
def at_eight(wall):
    wall.now = EIGHT
    return wall


def send(services, frequency="daily", *, due_at=EIGHT, as_of=EIGHT, **options):
    return dispatch.send_digests(make_run(as_of=as_of, due_at=due_at, **options), services, frequency)


def test_a_digest_lists_the_day_in_order_and_counts_in_the_subject(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("2", EIGHT + 5 * HOUR))
    add_contest(services, announce("1", EIGHT + 2 * HOUR))
    add_contest(services, announce("3", EIGHT + 25 * HOUR))

    result = send(services)

    (mail,) = mails.mails
    text = mail.get_body(("plain",)).get_content()
    assert result.counts["sent"] == 1
    assert mail["Subject"] == "2 contests in the next 24 hours"
    assert text.index("Round 1") < text.index("Round 2")
    assert "Round 3" not in text


@pytest.mark.parametrize(
    ("lead", "inside"),
    [
        (timedelta(0), False),
        (timedelta(seconds=1), True),
        (DAY - timedelta(microseconds=1), True),
        (DAY, False),
    ],
)
def test_the_day_is_half_open(services, mails, at_eight, lead, inside):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + lead))

    assert send(services).counts["sent"] == inside


def test_hours_before_a_contest_play_no_part(services, mails, at_eight):
    add_user(services, alert_frequency="weekly", notify_before_hours=24)
    add_contest(services, announce("1", EIGHT + 6 * DAY))

    assert send(services, "weekly").counts["sent"] == 1


def test_nothing_is_sent_when_there_is_nothing(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + 2 * HOUR, platform="leetcode"))

    result = send(services)

    assert (result.counts["users_considered"], result.counts["claimed"]) == (1, 0)
    assert inbox(services) == []


def test_only_those_with_the_frequency_get_it(services, mails, at_eight):
    for frequency in ("immediate", "daily", "weekly"):
        add_user(services, frequency, alert_frequency=frequency)
    add_contest(services, announce("1", EIGHT + 2 * HOUR))

    send(services, "daily")
    send(services, "weekly")

    assert mails.recipients == ["daily@example.test", "weekly@example.test"]


def test_a_second_or_late_run_of_the_same_day_sends_nothing_twice(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + 12 * HOUR))
    send(services)
    at_eight.advance(hours=5)

    result = send(services, as_of=at_eight())

    assert result.counts["claimed"] == 0
    assert result.period == (EIGHT, EIGHT + DAY)
    assert ledger(services) == [("digest:2026-08-10", 1, "email", "sent")]


def test_a_late_run_covers_its_own_day_without_what_has_begun(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + 2 * HOUR))
    add_contest(services, announce("2", EIGHT + 23 * HOUR))
    add_contest(services, announce("3", EIGHT + 26 * HOUR))
    at_eight.advance(hours=5)

    send(services, as_of=at_eight())

    (mail,) = mails.mails
    text = mail.get_body(("plain",)).get_content()
    assert [name in text for name in ("Round 1", "Round 2", "Round 3")] == [False, True, False]


def test_a_day_that_is_over_is_not_told(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + 2 * HOUR))
    at_eight.advance(hours=5)

    assert send(services, as_of=at_eight()).counts["cancelled_stale"] == 1
    assert mails.mails == []


def test_every_channel_gets_its_digest_and_the_inbox_one_row(services, mails, hooks, at_eight):
    add_user(services, alert_frequency="daily", channels={"email": True, "push": True}, push_token="token")
    add_contest(services, announce("1", EIGHT + 2 * HOUR))

    send(services)

    assert statuses(services) == ["sent", "sent"]
    assert [row.type for row in inbox(services)] == ["DAILY_DIGEST"]
    assert len(hooks.of("push")) == 1


def test_a_dry_run_leaves_the_database_as_it_was(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + 2 * HOUR))
    before = dump(services.engine)

    result = send(services, dry_run=True)

    assert (result.status, result.details["would_send"]) == ("dry_run", 1)
    assert dump(services.engine) == before


def test_a_digest_is_found_on_both_databases(database_url, services, mails, at_eight):
    add_user(services, alert_frequency="weekly", contest_types=["CF"])
    add_contest(services, announce("1", EIGHT + 2 * DAY))

    assert send(services, "weekly").counts["sent"] == 1
    assert send(services, "weekly").counts["sent"] == 0


def test_a_failed_run_tried_again_still_says_what_failed(services, mails, at_eight):
    add_user(services, alert_frequency="daily")
    add_contest(services, announce("1", EIGHT + 2 * HOUR))
    mails.scenario = "soft-bounce"
    run = make_run(as_of=EIGHT, due_at=EIGHT)
    before = dispatch.send_digests(run, services, "daily")

    after = send(services, attempt=2, checkpoint=run.checkpoint)

    assert after == before
    assert after.status == "failed"
