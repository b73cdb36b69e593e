from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rota.errors import ConfigError
from rota.model.duration import seconds, show_duration


@pytest.mark.parametrize(
    ("duration", "length"),
    [
        (90, 90.0),
        (0, 0.0),
        (0.25, 0.25),
        (timedelta(minutes=2), 120.0),
        ("90s", 90.0),
        ("15m", 900.0),
        ("1h30m", 5_400.0),
        ("1h 30m", 5_400.0),
        ("7d", 604_800.0),
        ("250ms", 0.25),
        ("1.5h", 5_400.0),
        (" 2H ", 7_200.0),
        ("12", 12.0),
    ],
)
def test_a_duration_is_read_as_people_write_it(duration: Any, length: float) -> None:
    assert seconds(duration) == pytest.approx(length)


@pytest.mark.parametrize(
    "duration",
    [-1, timedelta(seconds=-1), "-5s", "", "soon", "5x", "5s5", "m", "nan", "inf", float("nan"), float("inf"), 10**400,
     "99999999d", timedelta.max, None, [5], b"5s"],
)  # fmt: skip
def test_what_is_no_duration_is_refused(duration: Any) -> None:
    with pytest.raises(ConfigError, match="duration"):
        seconds(duration)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"), (0.0001, "<1ms"), (0.25, "250ms"), (0.9996, "1s"), (59, "59s"), (90, "1m30s"), (5_400, "1h30m"),
        (3_600, "1h"), (90_061, "1d1h"), (86_400, "1d"), (3_601, "1h"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_in_the_two_largest_units_that_say_something(length: float, text: str) -> None:
    assert show_duration(length) == text
