from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.durations import format_duration, parse_duration


@given(st.lists(st.sampled_from("wdhms"), min_size=1, unique=True), st.integers(0, 1_000))
def test_a_text_is_the_sum_of_its_parts(units: list[str], count: int) -> None:
    text = "".join(f"{count}{unit}" for unit in units)

    assert parse_duration(text) == sum(parse_duration(f"{count}{unit}") for unit in units)


@given(st.integers(0, 59), st.sampled_from(["s", "m"]))
def test_what_is_written_in_one_unit_reads_back(count: int, unit: str) -> None:
    seconds = parse_duration(f"{count}{unit}")

    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
    assert seconds >= 0


@pytest.mark.parametrize(
    "wrong", [True, None, -1, -0.5, float("nan"), float("inf"), [], timedelta(seconds=-1)]
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(wrong)


def test_a_timedelta_is_its_seconds() -> None:
    assert parse_duration(timedelta(minutes=2)) == 120


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (0.25, "250ms"), (1.4, "1s"), (60, "1m"), (3_600, "1h"), (5_400, "1h30m"), (90_061, "1d1h")],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown
