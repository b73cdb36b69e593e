"""The tables of the zones against ``zoneinfo``."""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from rota.calendar import tzdata_version
from rota.calendar.footer import read_footer
from rota.calendar.zones import FOREVER, zone
from rota.clock import EPOCH

NAMES = sorted(available_timezones() - {"localtime"})
FAR = 8_000_000_000
"""In the year 2223."""


def offset(place: ZoneInfo, second: int) -> int:
    return (EPOCH + timedelta(seconds=second)).astimezone(place).utcoffset() // timedelta(seconds=1)


def test_every_zone_has_the_offsets_of_zoneinfo_at_every_change_and_anywhere():
    chance = random.Random(5)
    for name in NAMES:
        place = ZoneInfo(name)
        ends, offsets = zone(name).reaching(FAR)
        changes = [end for end in ends if -FAR < end < FAR]
        seconds = [chance.randrange(-FAR, FAR) for _ in range(20)]
        for second in seconds + [end + d for end in chance.sample(changes, min(30, len(changes))) for d in (-1, 0)]:
            assert offsets[bisect_right(ends, second)] == offset(place, second), (name, second)


def test_no_change_falls_into_the_hours_of_another():
    """The engine looks at one change at a time; this is why it may."""
    for name in NAMES:
        ends, offsets = zone(name).reaching(FAR)
        for index in range(1, len(offsets) - 1):
            shifts = abs(offsets[index] - offsets[index - 1]) + abs(offsets[index + 1] - offsets[index])
            assert ends[index] - ends[index - 1] > shifts, name


def test_the_table_grows_without_changing_what_it_said():
    place = zone("America/Santiago")
    short = place.reaching(0)
    long = place.reaching(FAR)

    assert long[0][: len(short[0]) - 1] == short[0][:-1]
    assert long[1][: len(short[1])] == short[1]
    assert place.reaching(FOREVER - 1)[0][-1] == FOREVER


@pytest.mark.parametrize(
    ("rule", "year", "changes"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", 2026, ["2026-03-29T01:00 7200", "2026-10-25T01:00 3600"]),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 2026, ["2026-03-29T01:00 3600", "2026-10-25T01:00 0"]),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, ["2026-03-29T01:00 -3600", "2026-10-25T01:00 -7200"]),
        ("EET-2EEST,M3.4.4/50,M10.4.4/50", 2026, ["2026-03-28T00:00 10800", "2026-10-23T23:00 7200"]),
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, ["2026-04-04T15:00 37800", "2026-10-03T15:30 39600"]),
        ("XXX3YYY,J60/0,J365/23", 2024, ["2024-03-01T03:00 -7200", "2025-01-01T01:00 -10800"]),
        ("XXX3YYY,59/0,364", 2024, ["2024-02-29T03:00 -7200", "2024-12-30T04:00 -10800"]),
        ("<+01>-1", 2026, []),
    ],
)
def test_the_footer_of_a_zone_file_is_read(rule, year, changes):
    found = [
        f"{EPOCH + timedelta(seconds=second):%Y-%m-%dT%H:%M} {after}"
        for second, after in read_footer(rule).changes(year)
    ]

    assert found == changes


@pytest.mark.parametrize("rule", ["", "nonsense", "CET", "CET-1CEST", "CET-1CEST,M3.5.0"])
def test_a_footer_that_is_none_is_refused(rule):
    with pytest.raises(ValueError, match="not a TZ rule"):
        read_footer(rule)


def test_the_coming_changes_are_told_in_order():
    changes = zone("Europe/Paris").changes_after(int(datetime(2050, 1, 1, tzinfo=UTC).timestamp()))

    assert [next(changes)[1:] for _ in range(4)] == [(3600, 7200), (7200, 3600)] * 2
    assert list(zone("Asia/Tokyo").changes_after(0)) == []


def test_the_version_of_the_zone_data_is_known():
    assert tzdata_version()[:2] == "20"
