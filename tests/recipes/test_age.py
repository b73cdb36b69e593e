from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota.errors import ConfigError
from rota.recipes import Age

LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "before"),
    [
        ("1y", datetime(2027, 2, 28, 12, tzinfo=UTC)),
        ("3 years", datetime(2025, 2, 28, 12, tzinfo=UTC)),
        ("4y", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("18mo", datetime(2026, 8, 29, 12, tzinfo=UTC)),
        ("1y 1d", datetime(2027, 2, 27, 12, tzinfo=UTC)),
        ("90d", LEAP_DAY - timedelta(days=90)),
        ("36h", LEAP_DAY - timedelta(hours=36)),
        ("1w2d", LEAP_DAY - timedelta(days=9)),
        ("30min", LEAP_DAY - timedelta(minutes=30)),
        (timedelta(days=2, microseconds=1), LEAP_DAY - timedelta(days=2, microseconds=1)),
    ],
)
def test_years_and_months_are_those_of_the_calendar_and_days_have_24_hours(given: Any, before: datetime) -> None:
    assert Age.of(given).before(LEAP_DAY) == before


@pytest.mark.parametrize("given", ["", "90", "d", "90 dogs", "-1d", "1y!", timedelta(days=-1), None, 90])
def test_what_is_no_age_is_refused_with_a_hint(given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Age.of(given)

    assert '"90d"' in caught.value.hint


@pytest.mark.parametrize("given", ["1y 6mo", "90d", "1d 12h", "30min", "0s", "5s"])
def test_it_reads_as_it_is_written(given: str) -> None:
    assert str(Age.of(given)) == given
