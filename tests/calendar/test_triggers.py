"""Intervals, single moments, and triggers made of triggers: one set of moments, walked in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.calendar import At, Cron, Every, Trigger, any_of, at, cron, every
from rota.clock import EPOCH, to_us
from rota.errors import CronError, UnknownZoneError

START = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
seconds = st.integers(-4_000_000_000, 8_000_000_000)


def first(trigger: Trigger, count: int, after: datetime = START) -> list[str]:
    fires = trigger.fires(after)
    return [next(fires).isoformat() for _ in range(count)]


# --- every -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "length"),
    [
        ("90s", 90),
        ("6h", 21_600),
        ("1h30m", 5_400),
        ("1H 30M", 5_400),
        (" 2d12h ", 216_000),
        ("1w", 604_800),
        (timedelta(minutes=5), 300),
    ],
)
def test_an_interval_is_read_from_text_or_taken_as_a_timedelta(given_as, length):
    assert every(given_as).interval == timedelta(seconds=length)


def test_every_takes_words_for_units():
    assert every(hours=6) == every("6h") == every(minutes=360) == Every(timedelta(hours=6))


def test_every_counts_from_the_epoch_so_that_all_nodes_agree():
    assert first(every("6h"), 3) == [
        "2026-03-29T00:00:00+00:00",
        "2026-03-29T06:00:00+00:00",
        "2026-03-29T12:00:00+00:00",
    ]


def test_every_follows_absolute_time_over_a_change_of_the_clock():
    assert first(every("1h", tz="Europe/Paris"), 4) == [
        "2026-03-29T00:00:00+01:00",
        "2026-03-29T01:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T04:00:00+02:00",
    ]


def test_an_anchor_shifts_the_moments_and_is_one_of_them():
    anchor = datetime(2026, 3, 28, 12, 0, 7, tzinfo=PARIS)
    trigger = every("1h", anchor=anchor)

    assert trigger.next_after(anchor - timedelta(seconds=1)) == anchor
    assert first(trigger, 1) == ["2026-03-28T23:00:07+00:00"]
    assert trigger.previous_before(anchor).isoformat() == "2026-03-28T10:00:07+00:00"


@given(seconds, st.integers(1, 10_000_000), seconds)
def test_every_steps_are_whole_intervals_and_previous_undoes_next(moment, length, anchor):
    trigger = every(timedelta(seconds=length), anchor=EPOCH + timedelta(seconds=anchor))
    asked = moment * 1_000_000 + 1

    fire = trigger.next_after_us(asked)

    assert 0 < fire - asked <= length * 1_000_000
    assert (fire // 1_000_000 - anchor) % length == 0
    assert trigger.previous_before_us(fire) == fire - length * 1_000_000 < asked
    assert trigger.previous_before_us(fire + 1) == fire == trigger.next_after_us(fire - 1)


@pytest.mark.parametrize("interval", [timedelta(milliseconds=1500), timedelta(0), timedelta(seconds=-5), 90, None])
def test_an_interval_below_a_second_or_of_no_length_is_refused(interval):
    with pytest.raises(CronError):
        every(interval)


def test_an_interval_given_twice_is_refused():
    with pytest.raises(CronError, match="given once"):
        every("6h", hours=6)


def test_an_anchor_inside_a_second_or_without_zone_is_refused():
    with pytest.raises(CronError, match="whole second"):
        every("1h", anchor=START.replace(microsecond=5))
    with pytest.raises(ValueError, match="time zone"):
        every("1h", anchor=START.replace(tzinfo=None))


def test_every_and_at_refuse_an_unknown_zone():
    with pytest.raises(UnknownZoneError):
        every("1h", tz="Europe/Atlantis")
    with pytest.raises(UnknownZoneError):
        at(START, tz="Europe/Atlantis")


# --- at --------------------------------------------------------------------------------------------------------------


def test_a_moment_fires_once():
    trigger = at(START)

    assert trigger.next_after(START - timedelta(microseconds=1)) == START
    assert trigger.next_after(START) is None
    assert trigger.previous_before(START) is None
    assert trigger.previous_before(START + timedelta(microseconds=1)) == START


def test_moments_fire_in_the_order_of_time_and_a_double_once():
    later, earlier = START + timedelta(days=2), START - timedelta(days=2)

    trigger = At([later, START, earlier, START.astimezone(PARIS)])

    assert trigger.moments == (earlier, START, later)
    assert list(trigger.fires(earlier)) == [START, later]
    assert trigger.previous_before(later) == START


def test_a_moment_keeps_its_microseconds():
    moment = START.replace(microsecond=123_456)

    assert at(moment).next_after(START) == moment


def test_no_moment_and_a_naive_one_are_refused():
    with pytest.raises(CronError, match="never fire"):
        at([])
    with pytest.raises(ValueError, match="time zone"):
        at(START.replace(tzinfo=None))


# --- any_of ----------------------------------------------------------------------------------------------------------


def test_a_union_fires_once_where_two_of_its_triggers_meet():
    trigger = any_of(cron("0 * * * *"), cron("0,30 */2 * * *"), at(START + timedelta(minutes=30)))

    assert first(trigger, 4) == [
        "2026-03-28T23:00:00+00:00",
        "2026-03-29T00:00:00+00:00",
        "2026-03-29T00:30:00+00:00",
        "2026-03-29T01:00:00+00:00",
    ]


@given(seconds)
def test_a_union_is_the_set_of_both(moment):
    one, other = cron("*/20 3-9 * * *", tz="Europe/Paris"), every("7h")
    both, start = any_of(one, other), EPOCH + timedelta(seconds=moment)
    end = start + timedelta(days=3)

    expected = sorted({to_us(fire) for trigger in (one, other) for fire in trigger.fires(start, end)})

    assert [to_us(fire) for fire in both.fires(start, end)] == expected
    assert all(both.previous_before_us(later) == earlier for earlier, later in pairwise(expected))


def test_a_union_outlives_a_trigger_that_has_ended():
    assert first(any_of(at(START - timedelta(days=1)), every("1d")), 1) == ["2026-03-29T00:00:00+00:00"]
    assert any_of(at(START), at(START - timedelta(days=1))).next_after(START) is None


def test_a_union_answers_in_the_zone_of_its_triggers_or_in_utc():
    paris = cron("0 6 * * *", tz="Europe/Paris")

    assert any_of(paris, every("1d", tz="Europe/Paris")).tz == "Europe/Paris"
    assert any_of(paris, every("1d")).next_after(START).tzinfo is UTC


def test_a_union_of_unions_is_flat_and_has_no_doubles():
    one, other = cron("0 6 * * *"), every("1d")

    assert any_of(any_of(one, other), one) == any_of(one, other)


def test_a_union_of_nothing_is_refused():
    with pytest.raises(CronError, match="never fire"):
        any_of()


# --- the lower-case words --------------------------------------------------------------------------------------------


def test_the_short_words_make_the_same_values():
    assert cron("0 6 * * *", tz="Europe/Paris", gap="skip") == Cron("0 6 * * *", "Europe/Paris", "skip")
    assert at([START]) == At(START)


def test_whether_something_is_a_trigger_can_be_asked():
    assert isinstance(every("1h").excluding(), Trigger)
    assert not isinstance("0 6 * * *", Trigger)


@pytest.mark.parametrize("tz", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("make", [lambda tz: every("1h", tz=tz), lambda tz: cron("* * * * *", tz=tz)])
def test_where_the_calendar_ends_there_is_no_moment_more(make, tz):
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)

    assert make(tz).next_after(last) is None
    assert make(tz).previous_before(first) is None
    assert len(list(make(tz).fires(last - timedelta(days=1)))) in range(10, 24 * 60 + 1)
