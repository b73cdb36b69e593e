"""Calendars of exclusion: what they cover is left out in both directions, on the right side of midnight."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.calendar import Calendar, Calendars, Dates, Holidays, Trigger, WeeklyWindows, cron, every
from rota.clock import EPOCH, to_us
from rota.errors import CronError, MissingExtraError, UnknownZoneError

PARIS = "Europe/Paris"


def days(trigger: Trigger, after: str, until: str) -> list[str]:
    start, end = (datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(trigger.tz)) for text in (after, until))
    return [f"{fire:%m-%d}" for fire in trigger.fires(start, end)]


def test_public_holidays_of_france_are_left_out():
    trigger = cron("0 9 * * *", tz=PARIS).excluding(Holidays("FR"))

    assert days(trigger, "2026-04-29", "2026-05-03T12:00") == ["04-29", "04-30", "05-02", "05-03"]
    assert days(trigger, "2026-12-24", "2026-12-26T12:00") == ["12-24", "12-26"]


def test_a_subdivision_has_holidays_of_its_own():
    france, alsace = cron("0 9 26 12 *").excluding(Holidays("FR")), cron("0 9 26 12 *").excluding(Holidays("FR", "BL"))
    bavaria, berlin = (cron("0 9 6 1 *").excluding(Holidays("de", part)) for part in ("BY", "BE"))

    assert france.next_after(EPOCH) is not None
    assert alsace.next_after(EPOCH) is not None
    assert berlin.next_after(EPOCH).year == 1970
    assert bavaria.next_after(datetime(2000, 1, 1, tzinfo=UTC)) is None


def test_a_country_or_part_that_is_unknown_is_told():
    with pytest.raises(CronError, match="'XX'") as told:
        Holidays("XX")
    assert told.value.hint.startswith("known are")
    with pytest.raises(CronError, match="'YY' of DE"):
        Holidays("DE", "YY")


def test_without_the_package_the_command_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)

    with pytest.raises(MissingExtraError) as told:
        Holidays("FR")
    assert told.value.hint == "pip install 'rota[holidays]'"


def test_dates_are_days_of_the_triggers_zone_unless_the_calendar_has_its_own():
    hourly, tokyo = cron("0 * * * *", tz=PARIS), "Asia/Tokyo"

    here = {to_us(fire) for fire in gone(hourly, Dates("2026-07-14"))}
    there = {to_us(fire) for fire in gone(hourly, Dates("2026-07-14", tz=tokyo))}

    midnight = {zone: datetime(2026, 7, 14, tzinfo=ZoneInfo(zone)) for zone in (PARIS, tokyo)}
    assert here == {to_us(midnight[PARIS]) + hour * 3_600_000_000 for hour in range(24)}
    assert there == {to_us(midnight[tokyo]) + hour * 3_600_000_000 for hour in range(24)}


def gone(trigger: Trigger, calendar: Calendar) -> list[datetime]:
    """What the calendar takes away in the middle of July 2026."""
    start, end = datetime(2026, 7, 10, tzinfo=UTC), datetime(2026, 7, 18, tzinfo=UTC)
    kept = set(trigger.excluding(calendar).fires(start, end))
    return [fire for fire in trigger.fires(start, end) if fire not in kept]


def test_dates_are_given_as_dates_texts_or_ranges_with_both_ends():
    calendar = Dates("2026-12-24/2026-12-26", date(2026, 12, 31), "2027-01-01")

    assert days(cron("0 9 * * *").excluding(calendar), "2026-12-23", "2027-01-02T12:00") == [
        "12-23", "12-27", "12-28", "12-29", "12-30", "01-02",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["2026-13-01", "Christmas", "2026-12-26/2026-12-24", ""])
def test_a_date_that_cannot_be_read_is_told(text):
    with pytest.raises(CronError, match="cannot be read"):
        Dates(text)


@pytest.mark.parametrize(
    ("window", "hours"),
    [
        ("Sat,Sun", {(6, hour) for hour in range(24)} | {(0, hour) for hour in range(24)}),
        ("Sat-Sun", {(6, hour) for hour in range(24)} | {(0, hour) for hour in range(24)}),
        ("Mon 09:00-17:00", {(1, hour) for hour in range(9, 17)}),
        ("Mon-Wed 23:00-24:00", {(day, 23) for day in (1, 2, 3)}),
        ("Fri 22:00-02:00", {(5, 22), (5, 23), (6, 0), (6, 1)}),
        ("Sat 22:00-02:00", {(6, 22), (6, 23), (0, 0), (0, 1)}),
        ("fri-mon 08:00-09:00", {(day, 8) for day in (5, 6, 0, 1)}),
    ],
)
def test_windows_come_every_week(window, hours):
    trigger = cron("0 * * * *", tz=PARIS)

    covered = {(fire.isoweekday() % 7, fire.hour) for fire in gone(trigger, WeeklyWindows(window))}

    assert covered == hours


@pytest.mark.parametrize(
    "text",
    ["", "Mon 9-17", "Mon 09:00", "Funday", "Mon 25:00-26:00", "Mon 09:61-10:00", "Mon 09:00-09:00", "09:00-10:00"],
)
def test_a_window_that_cannot_be_read_is_told(text):
    with pytest.raises(CronError, match="cannot be read"):
        WeeklyWindows(text)


def test_calendars_join():
    calendar = Calendars(Holidays("FR"), WeeklyWindows("Sat,Sun"))
    trigger = cron("0 9 * * *", tz=PARIS)

    assert days(trigger.excluding(calendar), "2026-04-29", "2026-05-05T12:00") == ["04-29", "04-30", "05-04", "05-05"]
    assert trigger.excluding(Holidays("FR"), WeeklyWindows("Sat,Sun")) == trigger.excluding(calendar)


def test_an_interval_and_a_union_can_be_excluded_from_too():
    trigger = every("6h", tz=PARIS).excluding(WeeklyWindows("Sat,Sun"))

    assert days(trigger, "2026-04-30T21:00", "2026-05-04T03:00") == ["05-01", "05-01", "05-01", "05-01", "05-04"]


calendars = st.lists(
    st.sampled_from(
        [
            Dates("2026-03-29", "2026-10-25"),
            Dates("2026-03-29", tz="Pacific/Auckland"),
            WeeklyWindows("Sat 22:00-03:00"),
            WeeklyWindows("Sun 02:00-03:00", "Mon-Fri 09:00-17:30"),
            WeeklyWindows("Sat,Sun", tz="America/Los_Angeles"),
            Holidays("FR"),
        ]
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=60)
@given(calendars, st.sampled_from(["2026-03-27", "2026-10-23", "2026-04-29"]))
def test_what_is_kept_is_what_no_calendar_covers_in_both_directions(chosen, day):
    trigger = cron("*/30 * * * *", tz=PARIS)
    start, end = brute_day(day), brute_day(day) + timedelta(days=6)
    excluding = trigger.excluding(*chosen)

    kept = [to_us(fire) for fire in trigger.fires(start, end) if not any(covers(each, fire) for each in chosen)]

    assert [to_us(fire) for fire in excluding.fires(start, end)] == kept
    assert all(excluding.previous_before_us(b) == a for a, b in pairwise(kept))


def brute_day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def covers(calendar: Calendar, fire: datetime) -> bool:
    """The same question, put to what the clock shows."""
    shown = fire.astimezone(ZoneInfo(calendar.tz or PARIS))
    match calendar:
        case Dates():
            return shown.date() in calendar.dates
        case Holidays():
            return shown.date() in {date(2026, 5, 1), date(2026, 4, 6), date(2026, 11, 1)}
        case _:
            week = {
                "Sat,Sun": shown.weekday() >= 5,
                "Sat 22:00-03:00": (shown.weekday() == 5 and shown.hour >= 22)
                or (shown.weekday() == 6 and shown.hour < 3),
                "Sun 02:00-03:00": shown.weekday() == 6 and shown.hour == 2,
                "Mon-Fri 09:00-17:30": shown.weekday() < 5 and 540 <= shown.hour * 60 + shown.minute < 1050,
            }
            return any(week[window] for window in calendar.windows)


def test_a_trigger_that_is_excluded_for_ever_ends():
    trigger = cron("0 9 * * SUN").excluding(WeeklyWindows("Sun"))

    assert trigger.next_after(EPOCH) is None
    assert trigger.previous_before(EPOCH) is None


def test_a_calendar_refuses_an_unknown_zone():
    for make in (
        lambda: Dates("2026-01-01", tz="X"),
        lambda: WeeklyWindows("Sun", tz="X"),
        lambda: Holidays("FR", tz="X"),
    ):
        with pytest.raises(UnknownZoneError):
            make()
