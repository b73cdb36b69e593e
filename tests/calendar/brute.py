"""The calendar's rules a second time, by brute force: every second of a stretch is looked at through ``zoneinfo``.

Nothing here knows the engine: an expression is made of texts beside the values that they mean, the clock comes from
``zoneinfo``, and gaps and overlaps are seen by comparing what the clock shows with what it has shown before.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

# Every odd shift: half an hour, 45 minutes, two hours, at midnight, by three hours, over a day, for good, backwards by
# law, by seconds only, of a footer far ahead, and twice a day away from any.
CHANGES = [
    ("Europe/Paris", "2024-03-31T01:00"),
    ("Europe/Paris", "2024-10-27T01:00"),
    ("America/New_York", "2024-03-10T07:00"),
    ("America/New_York", "2024-11-03T06:00"),
    ("Australia/Lord_Howe", "2024-10-05T15:30"),
    ("Australia/Lord_Howe", "2025-04-05T15:00"),
    ("America/St_Johns", "2010-03-14T03:31"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("Pacific/Chatham", "2024-09-28T14:00"),
    ("Pacific/Chatham", "2024-04-06T14:00"),
    ("Antarctica/Troll", "2024-03-31T01:00"),
    ("Antarctica/Troll", "2024-10-27T01:00"),
    ("Antarctica/Casey", "2018-10-06T20:00"),
    ("Antarctica/Casey", "2019-03-16T16:00"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
    ("Asia/Pyongyang", "2015-08-14T15:00"),
    ("Asia/Kathmandu", "1985-12-31T18:30"),
    ("America/Caracas", "2016-05-01T07:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kwajalein", "1993-08-21T12:00"),
    ("Africa/Cairo", "2024-04-25T22:00"),
    ("Africa/Cairo", "2024-10-31T21:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/Sao_Paulo", "2019-02-17T02:00"),
    ("Asia/Amman", "2021-10-28T22:00"),
    ("Asia/Gaza", "2024-04-19T23:00"),
    ("Africa/Casablanca", "2024-03-10T02:00"),
    ("Africa/Casablanca", "2024-04-14T02:00"),
    ("Europe/Dublin", "2024-03-31T01:00"),
    ("America/Nuuk", "2024-03-31T01:00"),
    ("America/Havana", "2024-11-03T05:00"),
    ("Europe/Moscow", "2014-10-25T22:00"),
    ("Europe/Paris", "2086-03-31T01:00"),
    ("America/New_York", "2150-11-01T06:00"),
    ("Etc/GMT+5", "2024-03-31T01:00"),
    ("UTC", "2024-02-29T12:00"),
]

# Clocks that were not a whole minute away from UTC: to be looked at by seconds.
ODD_CHANGES = [("Europe/Amsterdam", "1937-06-30T23:40"), ("Africa/Monrovia", "1972-01-07T00:44")]


@dataclass(frozen=True)
class Written:
    """An expression and, apart from it, what it means."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    is_day: Callable[[date], bool]
    fixed: bool

    def matches(self, shown: datetime) -> bool:
        return (
            shown.second in self.seconds
            and shown.minute in self.minutes
            and shown.hour in self.hours
            and shown.month in self.months
            and self.is_day(shown.date())
        )


def fires(
    written: Written, zone: str, start: datetime, end: datetime, gap: str, overlap: str, seconds: int = 60
) -> list[datetime]:
    """All fires from ``start`` to ``end``, both in UTC, in the order of time; looked at every so many ``seconds``."""
    margin = timedelta(hours=30 if seconds == 60 else 4)
    moments = _clock(zone, start - margin, end + margin, seconds)
    shown_often = Counter(shown for _, shown in moments)
    step, found, previous, passes = timedelta(seconds=seconds), [], None, Counter()
    for moment, shown in moments:
        passes[shown] += 1
        due = written.matches(shown)
        if written.fixed and due and shown_often[shown] > 1:
            due = {"both": True, "first": passes[shown] == 1, "second": passes[shown] > 1}[overlap]
        if written.fixed and gap == "after_gap" and previous is not None:
            skipped = shown - previous - step
            if timedelta(0) < skipped <= timedelta(hours=3):
                due = due or any(written.matches(previous + step * n) for n in range(1, skipped // step + 1))
        previous = shown
        if due and start <= moment <= end:
            found.append(moment)
    return found


@lru_cache(maxsize=128)
def _clock(zone: str, start: datetime, end: datetime, step: int) -> list[tuple[datetime, datetime]]:
    """Moments in UTC and what the clock of the zone shows then."""
    place, found = ZoneInfo(zone), []
    for number in range(int((end - start).total_seconds()) // step + 1):
        moment = start + timedelta(seconds=number * step)
        found.append((moment, moment.astimezone(place).replace(tzinfo=None, fold=0)))
    return found


# --- strategies ------------------------------------------------------------------------------------------------------

Part = tuple[str, frozenset[int]]


def _items(low: int, high: int) -> st.SearchStrategy[Part]:
    number = st.integers(low, high)
    single = number.map(lambda n: (str(n), frozenset({n})))
    pair = st.tuples(number, number).map(sorted)
    spread = pair.map(lambda p: (f"{p[0]}-{p[1]}", frozenset(range(p[0], p[1] + 1))))
    stepped = st.tuples(pair, st.integers(1, high + 5)).map(
        lambda t: (f"{t[0][0]}-{t[0][1]}/{t[1]}", frozenset(range(t[0][0], t[0][1] + 1, t[1])))
    )
    onward = st.tuples(number, st.integers(1, high + 5)).map(
        lambda t: (f"{t[0]}/{t[1]}", frozenset(range(t[0], high + 1, t[1])))
    )
    star = st.integers(1, high + 5).map(lambda n: ("*" if n == 1 else f"*/{n}", frozenset(range(low, high + 1, n))))
    return st.one_of(star, single, single, spread, stepped, onward, star)


@cache
def field(low: int, high: int) -> st.SearchStrategy[Part]:
    def join(items: list[Part]) -> Part:
        return ",".join(text for text, _ in items), frozenset().union(*(values for _, values in items))

    return st.one_of(_items(low, high), st.lists(_items(low, high), min_size=1, max_size=3).map(join))


DayPart = tuple[str, Callable[[date], bool]]
_NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, number: int) -> bool:
    """Whether ``day`` is the weekday nearest to the day ``number`` of its month, inside the month."""
    if not 1 <= number <= _length(day):
        return False
    inside = [date(day.year, day.month, n) for n in range(1, _length(day) + 1)]
    working = [each for each in inside if each.weekday() < 5]
    wanted = date(day.year, day.month, number)
    # On a Saturday Friday is nearest, on a Sunday Monday: one day away; at the month's edge the other way, two days.
    return day == min(working, key=lambda each: abs((each - wanted).days))


@cache
def days_of_month() -> st.SearchStrategy[DayPart]:
    plain = _items(1, 31).map(lambda part: (part[0], lambda day: day.day in part[1]))
    last = st.integers(0, 30).map(lambda n: (f"L-{n}" if n else "L", lambda day: day.day == _length(day) - n))
    near = st.integers(1, 31).map(lambda n: (f"{n}W", lambda day: _nearest_weekday(day, n)))
    last_near = st.integers(0, 30).map(
        lambda n: (f"L-{n}W" if n else "lw", lambda day: _nearest_weekday(day, _length(day) - n))
    )
    return _day_list(st.one_of(plain, plain, st.just(("*", lambda day: True)), last, near, last_near))


@cache
def days_of_week() -> st.SearchStrategy[DayPart]:
    plain = _items(0, 6).map(lambda part: (part[0], lambda day: day.isoweekday() % 7 in part[1]))
    name = st.integers(0, 6).map(lambda n: (_NAMES[n].title(), lambda day: day.isoweekday() % 7 == n))
    to_sunday = st.integers(1, 6).map(
        lambda n: (f"{_NAMES[n]}-SUN", lambda day: day.isoweekday() % 7 in {*range(n, 7), 0})
    )
    nth = st.tuples(st.integers(0, 6), st.integers(1, 5)).map(
        lambda t: (
            f"{_NAMES[t[0]]}#{t[1]}",
            lambda day: day.isoweekday() % 7 == t[0] and (day.day - 1) // 7 + 1 == t[1],
        )
    )
    last = st.integers(0, 6).map(
        lambda n: (f"{n}L", lambda day: day.isoweekday() % 7 == n and day.day + 7 > _length(day))
    )
    return _day_list(st.one_of(plain, name, to_sunday, st.just(("*", lambda day: True)), nth, last))


def _day_list(parts: st.SearchStrategy[DayPart]) -> st.SearchStrategy[DayPart]:
    def join(items: list[DayPart]) -> DayPart:
        return ",".join(text for text, _ in items), lambda day: any(is_day(day) for _, is_day in items)

    return st.one_of(parts, st.lists(parts, min_size=1, max_size=2).map(join))


@st.composite
def expressions(draw: st.DrawFn, seconds: bool = False, months: bool = False) -> Written:
    """Expressions whose fields are drawn apart; months are left open unless asked for, so that something fires."""
    second = draw(field(0, 59)) if seconds else ("0", frozenset({0}))
    minute = draw(field(0, 59))
    hour = draw(field(0, 23))
    month = draw(field(1, 12)) if months else ("*", frozenset(range(1, 13)))
    in_month, in_week = ("*", lambda day: True), ("*", lambda day: True)
    if draw(st.integers(0, 2)) == 0:
        in_month, in_week = draw(days_of_month()), draw(days_of_week())
    both = in_month[0].startswith("*") or in_week[0].startswith("*")

    def is_day(day: date) -> bool:
        matched = in_month[1](day), in_week[1](day)
        return all(matched) if both else any(matched)

    texts = [minute[0], hour[0], in_month[0], month[0], in_week[0]]
    return Written(
        text=" ".join([second[0], *texts] if seconds else texts),
        seconds=second[1],
        minutes=minute[1],
        hours=hour[1],
        months=month[1],
        is_day=is_day,
        fixed=not any(part[0].startswith("*") for part in (second, minute, hour)),
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
