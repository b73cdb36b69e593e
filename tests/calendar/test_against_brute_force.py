"""The engine against a scan of every second, in zones whose clocks do odd things."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rota.calendar import Cron
from rota.errors import CronError
from tests.calendar import brute

policies = {"gap": st.sampled_from(["after_gap", "skip"]), "overlap": st.sampled_from(["first", "second", "both"])}
thorough = settings(deadline=None, suppress_health_check=list(HealthCheck))


def built(written: brute.Written, zone: str, **policy: str) -> Cron:
    try:
        return Cron(written.text, zone, **policy)
    except CronError as error:
        assume("never" not in str(error))
        raise


def forwards(cron: Cron, start: datetime, end: datetime) -> list[datetime]:
    """The fires in [start, end] by ``next_after``."""
    found, moment = [], cron.next_after(start - timedelta(seconds=1))
    while moment is not None and moment <= end:
        found.append(moment.astimezone(UTC))
        moment = cron.next_after(moment)
    return found


def backwards(cron: Cron, start: datetime, end: datetime) -> list[datetime]:
    """The fires in [start, end] by ``previous_before``, put in the order of time."""
    found, moment = [], cron.previous_before(end + timedelta(seconds=1))
    while moment is not None and moment >= start:
        found.append(moment.astimezone(UTC))
        moment = cron.previous_before(moment)
    return found[::-1]


@settings(thorough, max_examples=120)
@given(written=brute.expressions(), change=st.sampled_from(brute.CHANGES), **policies)
def test_fires_around_a_change_of_the_clock_are_those_of_a_scan(written, change, gap, overlap):
    zone, center = change[0], brute.utc(change[1])
    start, end = center - timedelta(hours=30), center + timedelta(hours=30)
    cron = built(written, zone, gap=gap, overlap=overlap)

    expected = brute.fires(written, zone, start, end, gap, overlap)

    assert forwards(cron, start, end) == expected
    assert backwards(cron, start, end) == expected
    assert [fire.astimezone(UTC) for fire in cron.fires(start - timedelta(seconds=1), end)] == expected


@settings(thorough, max_examples=30)
@given(
    written=brute.expressions(seconds=True),
    change=st.sampled_from(brute.CHANGES + brute.ODD_CHANGES),
    **policies,
)
def test_expressions_with_seconds_fire_as_a_scan_of_seconds_says(written, change, gap, overlap):
    zone, center = change[0], brute.utc(change[1])
    start, end = center - timedelta(minutes=70), center + timedelta(minutes=70)
    cron = built(written, zone, gap=gap, overlap=overlap)

    expected = brute.fires(written, zone, start, end, gap, overlap, seconds=1)

    assert forwards(cron, start, end) == expected
    assert backwards(cron, start, end) == expected


@settings(thorough, max_examples=150)
@given(
    in_month=brute.days_of_month(),
    in_week=brute.days_of_week(),
    months=brute.field(1, 12),
    start=st.dates(date(1850, 1, 1), date(2300, 1, 1)),
)
def test_days_are_those_of_a_scan_of_two_years(in_month, in_week, months, start):
    both = in_month[0].startswith("*") or in_week[0].startswith("*")
    join = all if both else any
    try:
        cron = Cron(f"0 0 {in_month[0]} {months[0]} {in_week[0]}")
    except CronError as error:
        assume("never" not in str(error))
        raise
    days = [start + timedelta(days=number) for number in range(800)]
    expected = [day for day in days if day.month in months[1] and join((in_month[1](day), in_week[1](day)))]
    first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (days[0], days[-1]))

    assert [fire.date() for fire in forwards(cron, first, last)] == expected
    assert [fire.date() for fire in backwards(cron, first, last)] == expected
