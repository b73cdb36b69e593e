"""What people are told of an expression: the sentence, the clock's changes, the rhythm, the warnings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from rota.calendar import Cron, Dates, Holidays, WeeklyWindows, any_of, at, cron, describe, every, explain

MARCH = datetime(2027, 3, 27, tzinfo=UTC)

SENTENCES = [
    ("* * * * *", "Every minute, UTC."),
    ("*/5 * * * *", "Every 5 minutes, UTC."),
    ("*/7 * * * *", "At minutes 0, 7, 14 … 56 of every hour, UTC."),
    ("* * * * * *", "Every second, UTC."),
    ("*/10 * * * * *", "Every 10 seconds, UTC."),
    ("30 * * * * *", "At second 30 of every minute, UTC."),
    ("*/10 0 9 * * *", "Every day at 09:00, 09:00:10, 09:00:20, 09:00:30, 09:00:40 and 09:00:50, UTC."),
    ("* 0 9 * * *", "Every second of minute 0 of hour 9, UTC."),
    ("0 * * * *", "Every hour, UTC."),
    ("10 * * * *", "Every hour at minute 10, UTC."),
    ("15,45 * * * *", "At minutes 15 and 45 of every hour, UTC."),
    ("0 */2 * * *", "Every 2 hours from 00:00 to 22:00, UTC."),
    ("0 9-17 * * *", "Every hour from 09:00 to 17:00, UTC."),
    ("*/10 9-17 * * MON-FRI", "Every 10 minutes from 09:00 to 17:50 from Monday to Friday, UTC."),
    ("* 2 * * *", "Every minute from 02:00 to 02:59, UTC."),
    ("0 */6 * * *", "Every day at 00:00, 06:00, 12:00 and 18:00, UTC."),
    ("30 2 * * *", "Every day at 02:30, UTC."),
    ("30 2 13 * FRI", "At 02:30 on day 13 of the month or on any Friday, UTC."),
    ("0 0 */2 * 1", "At 00:00 on odd days that are Mondays, UTC."),
    ("0 0 2/2 * *", "At 00:00 on even days, UTC."),
    ("0 0 1,15 * *", "At 00:00 on days 1 and 15 of the month, UTC."),
    ("0 0 1-7 * *", "At 00:00 on days 1 to 7 of the month, UTC."),
    ("0 0 L * *", "At 00:00 on the last day of the month, UTC."),
    ("0 0 LW * *", "At 00:00 on the last weekday of the month, UTC."),
    ("0 0 15W * *", "At 00:00 on the weekday nearest to day 15 of the month, UTC."),
    ("0 0 L-3 * *", "At 00:00 on day 3 before the last of the month, UTC."),
    ("0 0 * * FRIL", "At 00:00 on the last Friday of the month, UTC."),
    ("0 0 * * MON#2,5L", "At 00:00 on the second Monday of the month or the last Friday of the month, UTC."),
    ("0 0 * * 5-7", "At 00:00 from Friday to Sunday, UTC."),
    ("0 0 * * SUN", "At 00:00 on Sunday, UTC."),
    ("0 0 * * 1,3", "At 00:00 on Monday and Wednesday, UTC."),
    ("0 0 1 1,7 *", "At 00:00 on day 1 of the month in January and July, UTC."),
    ("0 0 * MAR-DEC SUN", "At 00:00 on Sunday from March to December, UTC."),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES)
def test_an_expression_is_told_in_one_sentence(text, sentence):
    assert describe(cron(text)) == sentence


def test_other_triggers_are_told_too():
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    busy = cron("0 9 * * *", tz="Europe/Paris").excluding(Holidays("FR"), WeeklyWindows("Sat,Sun"), Dates("2026-08-15"))

    assert describe(every("1h30m")) == "Every 1 hour 30 minutes, counted from 1970."
    assert describe(every("6h", anchor=noon)) == "Every 6 hours, counted from 2026-01-01 12:00 UTC."
    assert describe(at(noon)) == "Once, at 2026-01-01 12:00 UTC."
    assert describe(any_of(cron("@daily"), every("10s"))) == (
        "Every day at 00:00, UTC; or every 10 seconds, counted from 1970."
    )
    assert describe(busy) == (
        "Every day at 09:00, Europe/Paris time, except on public holidays of FR, on Sat,Sun and on 2026-08-15."
    )


def test_the_changes_of_the_clock_are_told_with_what_will_happen():
    explanation = explain(cron("30 2 * * *", tz="Europe/Paris"), MARCH)

    assert [(f"{change.at:%F %H:%M}", change.shift, change.effect) for change in explanation.changes] == [
        ("2027-03-28 03:00", timedelta(hours=1), "02:30 does not exist; runs 03:00 CEST"),
        ("2027-10-31 02:00", timedelta(hours=-1), "02:30 comes twice; runs once, at 02:30 CEST"),
    ]


@pytest.mark.parametrize(
    ("trigger", "forward", "back"),
    [
        (
            cron("30 2 * * *", tz="Europe/Paris", gap="skip", overlap="second"),
            "02:30 does not exist; it does not run",
            "02:30 comes twice; runs once, at 02:30 CET",
        ),
        (
            cron("30 2 * * *", tz="Europe/Paris", overlap="both"),
            "02:30 does not exist; runs 03:00 CEST",
            "02:30 comes twice; runs twice",
        ),
        (
            cron("0 4 * * *", tz="Europe/Paris"),
            "02:00 to 03:00 does not exist; nothing is due in it",
            "02:00 to 03:00 comes twice; nothing is due in it",
        ),
        (
            cron("*/5 * * * *", tz="Europe/Paris"),
            "02:00 to 03:00 does not exist; what is due in it does not run",
            "02:00 to 03:00 comes twice; runs in both passes",
        ),
    ],
    ids=str,
)
def test_each_policy_is_told_as_it_is(trigger, forward, back):
    assert [change.effect for change in explain(trigger, MARCH).changes] == [forward, back]


def test_a_zone_without_changes_has_none_to_tell():
    assert explain(cron("0 0 * * *", tz="Asia/Tokyo"), MARCH).changes == ()
    assert explain(cron("0 0 * * *"), MARCH).changes == ()


def test_a_change_of_the_calendar_is_told_apart():
    explanation = explain(cron("0 12 * * *", tz="Pacific/Apia"), datetime(2011, 12, 28, tzinfo=UTC))

    assert "change of the calendar" in explanation.changes[0].effect


def test_moved_and_repeated_fires_are_marked():
    moved = explain(cron("30 2 * * *", tz="Europe/Paris"), MARCH, 3)
    repeated = explain(cron("*/30 * * * *", tz="Europe/Paris"), datetime(2027, 10, 30, 23, 45, tzinfo=UTC), 6)

    assert [fire.note for fire in moved.fires] == ["", "moved from 02:30", ""]
    assert [fire.note for fire in repeated.fires] == ["first pass"] * 2 + ["second pass"] * 2 + ["", ""]


@pytest.mark.parametrize(
    ("text", "per_year", "shortest", "longest"),
    [
        ("*/7 * * * *", 78_894, "4m", "7m"),
        ("0 0 */2 * *", 186.11, "1d", "2d"),
        ("0 18 5 * *", 12, "29d", "31d"),
        ("0 0 1 1 *", 1, None, None),
        ("0 0 29 2 *", 0.25, None, None),
        ("* * * * * *", 31_557_600, "1s", "1s"),
        ("* 9-17 * * MON-FRI", 540 * 260.89, "1m", "2d15h1m"),
        ("* * 9-17 * * MON", 32_400 * 52.18, "1s", "6d15h1s"),
    ],
)
def test_the_rhythm_is_the_rate_and_the_pauses(text, per_year, shortest, longest):
    rhythm = explain(cron(text), MARCH).rhythm

    assert rhythm.per_year == pytest.approx(per_year, rel=0.002)
    assert rhythm.per_day == pytest.approx(per_year / 365.25, rel=0.002)
    assert rhythm.shortest == (every(shortest).interval if shortest else None)
    assert rhythm.longest == (every(longest).interval if longest else None)


def test_the_pauses_are_those_of_the_real_clock():
    rhythm = explain(cron("0 4 * * *", tz="Europe/Paris"), MARCH).rhythm

    assert (rhythm.shortest, rhythm.longest) == (timedelta(hours=23), timedelta(hours=25))


@pytest.mark.parametrize(
    ("trigger", "part"),
    [
        (cron("* 2 * * *"), "once would be 0 2 * * *"),
        (cron("* 0 2 * * *"), "once would be 0 0 2 * * *"),
        (cron("*/7 * * * *"), "the last pause is 4 minutes, not 7"),
        (cron("0 */5 * * *"), "the last pause is 4 hours, not 5"),
        (cron("0 0 * * */2"), "the last pause is 1 day, not 2"),
        (cron("0 0 */2 * *"), "day 31 may be followed by day 1"),
        (cron("*/90 * * * *"), "it means 0 only"),
        (cron("0 0 31 * *"), "no fire in Feb, Apr, Jun, Sep and Nov"),
        (cron("0 0 29 2 *"), "in most years"),
        (cron("0 0 13 * FRI"), "either is enough"),
        (cron("0 0 */2 * MON"), "must match both"),
        (cron("0 0 * 2 MON#5"), "rare"),
        (cron("30 2 * * *", tz="Europe/Paris"), "02:30 is skipped once a year and comes twice"),
        (cron("30 1 * * *", tz="America/New_York"), "01:30 comes twice once a year"),
        (cron("*/5 * * * *", gap="skip"), "have no effect"),
    ],
    ids=str,
)
def test_a_likely_slip_is_warned_of(trigger, part):
    assert any(part in warning for warning in trigger.warnings), trigger.warnings


@pytest.mark.parametrize(
    "trigger",
    [
        cron("*/5 * * * *"),
        cron("0 6 * * MON-FRI"),
        cron("0 4 * * *", tz="Europe/Paris"),
        cron("30 2 * * *", tz="Asia/Tokyo"),
        cron("30 0 * * *", tz="America/Sao_Paulo"),
        cron("0 0 L * *"),
        cron("0 0 ? * MON"),
        cron("* * * * * *"),
        cron("0 0 31 1,3 *"),
    ],
    ids=str,
)
def test_a_sound_expression_has_no_warnings(trigger):
    assert trigger.warnings == ()


def test_the_fields_are_told_as_written_and_as_meant():
    rows = explain(cron("*/20 9-11 1W,15 JAN-MAR FRIL"), MARCH).fields

    assert [(row.name, row.text, row.means) for row in rows] == [
        ("minute", "*/20", "0, 20 and 40"),
        ("hour", "9-11", "9 to 11"),
        ("day of month", "1W,15", "15; the weekday nearest to day 1 of the month"),
        ("month", "JAN-MAR", "January to March"),
        ("day of week", "FRIL", "the last Friday of the month"),
    ]


def test_the_kind_is_told():
    assert explain(cron("30 2 * * *"), MARCH).kind.startswith("fixed times")
    assert explain(cron("*/5 * * * *"), MARCH).kind.startswith("follows the clock")


def test_an_explanation_is_plain_data():
    data = json.loads(json.dumps(explain(Cron("30 2 * * *", "Europe/Paris"), MARCH, 2).to_data()))

    assert data["fires"][1] == {
        "at": "2027-03-28T03:00:00+02:00",
        "utc": "2027-03-28T01:00:00Z",
        "abbreviation": "CEST",
        "wait": 90_000.0,
        "note": "moved from 02:30",
    }
