"""The made-up data: the same every time, and every job reports about it what was planted."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from apps.codenotify import cleanup, dispatch, generator
from apps.codenotify.generator import CLEANUP, DAILY, DISPATCH, WEEKLY
from apps.codenotify.tables import contests, users
from rota.testing import make_run
from tests.codenotify.helpers import DAY, NOW, count

# A working day, the day of a clock change in Europe, and the day after a leap day of the past.
MOMENTS = [
    NOW,
    datetime.fromisoformat("2026-10-25T01:30:00+00:00"),
    datetime.fromisoformat("2027-03-01T08:00:00+00:00"),
]


@pytest.fixture
def filled(services, wall, mails, hooks):
    """The services with the small data set of a moment, and its oracle."""

    def fill(as_of: datetime = NOW, size: str = "small"):
        wall.now = as_of
        data = generator.generate(size, as_of=as_of)
        generator.load(services.engine, data)
        return data.oracle

    return fill


def as_text(data: generator.Dataset) -> str:
    return json.dumps(data.tables, default=str)


def test_equal_arguments_give_equal_data():
    assert as_text(generator.generate(as_of=NOW)) == as_text(generator.generate(as_of=NOW))


def test_another_seed_gives_other_data():
    assert as_text(generator.generate(as_of=NOW)) != as_text(generator.generate(as_of=NOW, seed=7))


def test_sizes_are_as_promised(services, filled):
    filled()
    assert (count(services, users), count(services, contests)) == (50 + 17, 40 + 7)


def test_addresses_and_numbers_belong_to_nobody():
    for row in generator.generate("medium", as_of=NOW).tables["users"]:
        assert row["email"].endswith("@example.test")
        assert row["phone"] is None or row["phone"].startswith("+447700900")


@pytest.mark.parametrize("as_of", MOMENTS)
def test_dispatch_reports_what_was_planted(services, filled, as_of):
    expected = filled(as_of)[DISPATCH]

    result = dispatch.dispatch_notifications(make_run(as_of=as_of), services)

    assert result.status == "success"
    assert {name: result.counts[name] for name in ("users_considered", "pairs_due", "no_channel", "sent")} == {
        "users_considered": expected["users_considered"],
        "pairs_due": expected["pairs_due"],
        "no_channel": expected["no_channel"],
        "sent": expected["sent"],
    }
    assert dispatch.dispatch_notifications(make_run(as_of=as_of), services).counts["sent"] == 0


@pytest.mark.parametrize("as_of", MOMENTS)
@pytest.mark.parametrize(("frequency", "job"), [("daily", DAILY), ("weekly", WEEKLY)])
def test_digests_report_what_was_planted(services, filled, as_of, frequency, job):
    expected = filled(as_of)[job]

    result = dispatch.send_digests(make_run(as_of=as_of, due_at=as_of), services, frequency)

    assert (result.counts["users_considered"], result.counts["sent"]) == (
        expected["users_considered"],
        expected["sent"],
    )


@pytest.mark.parametrize("as_of", MOMENTS)
def test_cleanup_reports_what_was_planted_and_then_nothing(services, filled, as_of):
    expected = filled(as_of)[CLEANUP]

    first = cleanup.cleanup_old_data(make_run(as_of=as_of), services)
    second = cleanup.cleanup_old_data(make_run(as_of=as_of, id=2), services)

    assert first.counts == dict(expected)
    assert set(second.counts.values()) == {0}


def test_the_oracle_holds_on_both_databases(database_url, services, filled):
    expected = filled()

    sent = dispatch.dispatch_notifications(make_run(as_of=NOW), services).counts["sent"]
    cleaned = cleanup.cleanup_old_data(make_run(as_of=NOW), services).counts

    assert sent == expected[DISPATCH]["sent"]
    assert cleaned == dict(expected[CLEANUP])


def test_the_medium_set_is_cleaned_as_planted(services, filled, wall):
    expected = filled(size="medium")

    result = dispatch.dispatch_notifications(make_run(as_of=NOW, dry_run=True), services)
    assert result.details["would_send"]["reminder"] == expected[DISPATCH]["sent"]
    assert cleanup.cleanup_old_data(make_run(as_of=NOW), services).counts == dict(expected[CLEANUP])


@pytest.mark.parametrize("day", [0, 3, 4, 5, 6, 12])
def test_the_first_dispatch_of_the_medium_set_stays_small_whatever_the_day(day):
    data = generator.generate("medium", as_of=NOW + day * DAY + timedelta(hours=3))

    assert 200 < data.oracle[DISPATCH]["sent"] < 6_000
