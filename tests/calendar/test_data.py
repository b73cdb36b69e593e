"""A trigger goes into the database as plain data and comes back equal."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from rota.calendar import (
    Calendars,
    Cron,
    Dates,
    Holidays,
    WeeklyWindows,
    any_of,
    at,
    calendar_from_data,
    cron,
    every,
    trigger_from_data,
)
from rota.errors import CronError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRIGGERS = [
    cron("0 */6 * * *"),
    cron("30 2 * * *", tz="Europe/Paris", gap="skip", overlap="both"),
    cron("@daily"),
    every("1h30m"),
    every("6h", anchor=NOON, tz="Europe/Paris"),
    at(NOON),
    at([NOON, NOON.replace(microsecond=5)], tz="Asia/Tokyo"),
    any_of(cron("0 6 * * *"), every("10s"), at(NOON)),
    cron("0 9 * * *", tz="Europe/Paris").excluding(Holidays("FR"), WeeklyWindows("Sat,Sun"), Dates("2026-08-01")),
    any_of(every("1d").excluding(Holidays("DE", "BY", tz="Europe/Berlin")), at(NOON)).excluding(Dates("2026-02-03")),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=repr)
def test_a_trigger_comes_back_equal_through_json(trigger):
    data = json.loads(json.dumps(trigger.to_data()))

    again = trigger_from_data(data)

    assert again == trigger
    assert hash(again) == hash(trigger)
    assert again.to_data() == data
    assert again.next_after(NOON) == trigger.next_after(NOON)
    assert repr(again) == repr(trigger)


def test_the_data_says_only_what_differs_from_the_default():
    assert cron("0  6 * * *").to_data() == {"kind": "cron", "expression": "0 6 * * *", "tz": "UTC"}
    assert every("90m").to_data() == {"kind": "every", "interval": "1h30m"}
    assert at(NOON).to_data() == {"kind": "at", "moments": ["2026-01-01T12:00:00+00:00"]}


def test_equal_data_gives_one_object_whatever_the_order_of_its_keys():
    one = trigger_from_data({"kind": "cron", "expression": "0 6 * * *", "tz": "UTC"})

    assert trigger_from_data({"tz": "UTC", "expression": "0 6 * * *", "kind": "cron"}) is one


def test_crons_of_one_text_share_what_was_parsed():
    assert Cron("0 6 * * *").parsed is Cron("0 6 * * *", "Europe/Paris").parsed


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "sometimes"},
        {"kind": "cron"},
        {"kind": "cron", "expression": "0 6 * * *", "colour": "red"},
        {"kind": "excluding", "trigger": {"kind": "every", "interval": "1h"}, "calendar": {"kind": "moon"}},
    ],
)
def test_data_that_is_no_trigger_is_refused(data):
    with pytest.raises(CronError):
        trigger_from_data(data)


@pytest.mark.parametrize(
    "calendar",
    [
        Dates("2026-12-25", tz="Europe/Paris"),
        WeeklyWindows("Mon-Fri 09:00-17:00", "Sun"),
        Holidays("FR"),
        Calendars(Holidays("GB", "SCT"), Dates("2026-12-31")),
    ],
    ids=repr,
)
def test_a_calendar_comes_back_equal(calendar):
    assert calendar_from_data(json.loads(json.dumps(calendar.to_data()))) == calendar
