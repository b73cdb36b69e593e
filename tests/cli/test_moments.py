from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.cli.moments import coming_moment, read_moment, show_distance, show_duration, show_moment
from rota.model.duration import seconds

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def berlin(machine_in: Callable[[str], None]) -> None:
    machine_in("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-03-28T12:00Z"),
        ("-2h", "2026-03-28T10:00Z"),
        ("+1d12h", "2026-03-30T00:00Z"),
        ("2026-03-29T00:59:30Z", "2026-03-29T00:59:30Z"),
        ("2026-03-29 01:00+05:30", "2026-03-28T19:30Z"),
    ],
)
def test_a_moment_is_read_as_it_is_written(text: str, meant: str) -> None:
    assert read_moment(text, NOW) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-29", "2026-03-28T23:00Z"),
        ("2026-03-29T12:00", "2026-03-29T10:00Z"),  # summer time began that morning
        ("tomorrow 07:00", "2026-03-29T05:00Z"),
        ("Today", "2026-03-27T23:00Z"),
        ("yesterday 23:30", "2026-03-27T22:30Z"),
        ("07:30", "2026-03-28T06:30Z"),
    ],
)
def test_what_names_no_zone_is_local(berlin: object, text: str, meant: str) -> None:
    assert read_moment(text, NOW.astimezone()) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tomorrow 07:00", "2026-03-30T07:00+14:00"),  # it is the 29th there already
        ("09:00", "2026-03-29T09:00+14:00"),
        ("2026-03-29T12:00", "2026-03-29T12:00+14:00"),
        ("2026-03-29T12:00Z", "2026-03-29T12:00Z"),
        ("-2h", "2026-03-28T10:00Z"),
    ],
)
def test_what_names_no_zone_is_read_in_the_place_asked_for(berlin: object, text: str, meant: str) -> None:
    assert read_moment(text, NOW, ZoneInfo("Pacific/Kiritimati")) == datetime.fromisoformat(meant)


def test_what_is_to_come_at_a_bare_time_is_tomorrow_if_it_has_passed() -> None:
    now = datetime.now().astimezone()
    passed, coming = (f"{now + timedelta(seconds=shift):%H:%M:%S}" for shift in (-1, 600))

    for text in (passed, coming):
        assert timedelta() < coming_moment(text) - now < timedelta(hours=25, seconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "-",
        "soon",
        "now 07:00",
        "tomorrow 25:00",
        "+1 fortnight",
        "2026-13-01",
        "+99999999999d",
        "+nan",
        "--5",
    ],
)
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a moment; write 2026-11-22T10:00"):
        read_moment(text, NOW)


@given(st.text())
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert read_moment(text, NOW).tzinfo


def test_a_moment_is_shown_in_the_local_zone_with_its_name_or_in_utc(berlin: object) -> None:
    assert show_moment(NOW) == "2026-03-28 13:00:00 CET"
    assert show_moment(NOW + timedelta(days=1)) == "2026-03-29 14:00:00 CEST"
    assert show_moment(NOW, utc=True) == "2026-03-28 12:00:00 UTC"


@pytest.mark.parametrize(
    ("shift", "shown"),
    [(0, "now"), (0.4, "now"), (-2, "2s ago"), (11_520, "in 3h12m"), (-90_000, "1d1h ago")],
)
def test_a_distance_says_which_way(shift: float, shown: str) -> None:
    assert show_distance(NOW + timedelta(seconds=shift), NOW) == shown


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (0, "0s"),
        (0.0000004, "<1ms"),
        (0.25, "250ms"),
        (0.9999, "1s"),
        (1.4, "1s"),
        (59.6, "1m"),
        (3_600, "1h"),
        (5_400, "1h30m"),
        (3_605, "1h"),
        (90_061, "1d1h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(length: float, shown: str) -> None:
    assert show_duration(length) == shown


@given(st.integers(0, 59), st.integers(0, 59))
def test_a_duration_reads_back(minutes: int, rest: int) -> None:
    length = minutes * 60 + rest

    assert seconds(show_duration(length)) == length
