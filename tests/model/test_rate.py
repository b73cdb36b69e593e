from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import ConfigError
from rota.model.rate import Bucket, Rate

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "count", "period_us"),
    [
        ("100/m", 100, 60 * SECOND),
        ("5/s", 5, SECOND),
        (" 1000 / 24h ", 1000, 24 * 3600 * SECOND),
        ("1/D", 1, 86_400 * SECOND),
        ("7/10s", 7, 10 * SECOND),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: str, count: int, period_us: int) -> None:
    assert Rate.parse(text) == Rate(count, period_us)


@pytest.mark.parametrize("text", ["", "5", "/s", "0/s", "5/0s", "-1/s", "5/s5", "5 per second", "1.5/s", "5/w", "5/s/"])
def test_what_is_no_rate_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rate.parse(text)

    assert '"100/m"' in caught.value.hint


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    count=st.integers(1, 50),
    period=st.sampled_from([SECOND, 7 * SECOND, 60 * SECOND, 3]),
    waits=st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 60)), min_size=1, max_size=40),
    window=st.integers(1, 100 * SECOND),
)
def test_no_window_of_any_length_sees_more_starts_than_a_full_bucket_and_what_it_earns(
    count: int, period: int, waits: list[tuple[int, int]], window: int
) -> None:
    rate = Rate(count, period)
    now = 10**12
    bucket = Bucket.read(rate, None, now)
    starts: list[tuple[int, int]] = []

    for wait, wanted in waits:
        now += wait
        bucket = Bucket.read(rate, bucket.full_at, now)
        assert 0 <= bucket.allowed <= count
        got = min(bucket.allowed, wanted)
        bucket = bucket.taken(got)
        starts.append((now, got))
        if bucket.allowed == 0:
            assert bucket.next_at > now
            assert replace(bucket, now=bucket.next_at).allowed >= 1
            assert replace(bucket, now=bucket.next_at - 1).allowed == 0

    for first, _ in starts:
        within = sum(got for at, got in starts if first <= at < first + window)
        assert within <= count + window / (period / count) + 1e-9


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    count=st.integers(1, 50), period=st.integers(1, 10**10), full_at=st.integers(0, 10**18), now=st.integers(0, 10**12)
)
def test_a_bucket_is_never_closed_for_longer_than_its_period(count: int, period: int, full_at: int, now: int) -> None:
    rate = Rate(count, period)
    bounded = Bucket.read(rate, full_at, now)

    assert replace(bounded, now=now + count * rate.step_us).allowed == count
    assert replace(bounded, now=now + rate.step_us).allowed >= 1
    assert bounded.allowed == Bucket(rate, full_at, now).allowed
