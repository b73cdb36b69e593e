"""Contests that never end: each platform's weekly rhythm, the same for everybody who asks with the same seed.

A slot in the calendar decides everything about its contest, so the world can be seen from any moment, and moves on
with time. A few contests are moved by a day two days before they start, and fewer still vanish.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from apps.codenotify.contest import Contest

MONDAY = datetime(2026, 8, 10, tzinfo=UTC)
CHANGES_BEFORE = timedelta(hours=48)
MOVED_BY = timedelta(hours=24)
MOVED_SHARE, CANCELLED_SHARE = 0.03, 0.01
AHEAD = timedelta(weeks=8)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class World:
    """All contests of all platforms, for ever."""

    seed: int = 42

    def between(self, start: datetime, end: datetime) -> list[Contest]:
        """Contests planned to start in ``[start, end)``, as first announced, in the order of their starts."""
        first, last = (start - MONDAY) // (7 * _DAY), (end - MONDAY) // (7 * _DAY)
        weeks = (contest for week in range(first, last + 1) for contest in self._week(week))
        found = [contest for contest in weeks if start <= contest.start_time < end]
        return sorted(found, key=lambda contest: (contest.start_time, contest.key))

    def announced(self, now: datetime, back: timedelta, ahead: timedelta = AHEAD) -> list[Contest]:
        """What the platforms say at ``now``: some contests have been moved, and some are gone."""
        planned = self.between(now - back, now + ahead)
        return [seen for contest in planned if (seen := self.as_seen(contest, now)) is not None]

    def as_seen(self, contest: Contest, now: datetime) -> Contest | None:
        fate = random.Random(f"{self.seed}:fate:{contest.key}").random()
        if now < contest.start_time - CHANGES_BEFORE or fate >= MOVED_SHARE + CANCELLED_SHARE:
            return contest
        if fate < CANCELLED_SHARE:
            return None
        return moved(contest, MOVED_BY)

    def _week(self, week: int) -> Iterator[Contest]:
        monday = MONDAY + week * 7 * _DAY
        yield from self._codeforces(week, monday)
        yield from _leetcode(week, monday)
        yield _codechef(week, monday)
        yield from _atcoder(week, monday)

    def _codeforces(self, week: int, monday: datetime) -> Iterator[Contest]:
        """Two or three rounds a week, on no fixed days."""
        chance = random.Random(f"{self.seed}:codeforces:{week}")
        days = sorted(chance.sample(range(7), chance.choice((2, 3))))
        for number, day in enumerate(days):
            start = monday + day * _DAY + timedelta(hours=14, minutes=35)
            division = chance.choice(("Div. 1 + Div. 2", "Div. 2", "Div. 3", "Div. 4"))
            name = f"Codeforces Round {1121 + 3 * week + number} ({division})"
            yield plan("codeforces", str(2264 + 4 * week + number), name, "CF", start, chance.choice((120, 135, 180)))


def plan(platform: str, platform_id: str, name: str, kind: str, start: datetime, minutes: int) -> Contest:
    """A contest with the address that its platform would give it."""
    address = {
        "codeforces": f"https://codeforces.com/contest/{platform_id}",
        "leetcode": f"https://leetcode.com/contest/{platform_id}",
        "codechef": f"https://www.codechef.com/{platform_id}",
        "atcoder": f"https://atcoder.jp/contests/{platform_id}",
    }[platform]
    return Contest(
        platform=platform,
        platform_id=platform_id,
        name=name,
        type=kind,
        start_time=start,
        end_time=start + timedelta(minutes=minutes),
        duration_minutes=minutes,
        website_url=address,
    )


def moved(contest: Contest, by: timedelta) -> Contest:
    return replace(contest, start_time=contest.start_time + by, end_time=contest.end_time + by)


def _leetcode(week: int, monday: datetime) -> Iterator[Contest]:
    """Every Sunday 02:30 UTC, and every second Saturday 14:30 UTC."""
    if week % 2 == 0:
        number = 189 + week // 2
        saturday = monday + 5 * _DAY + timedelta(hours=14, minutes=30)
        yield plan("leetcode", f"biweekly-contest-{number}", f"Biweekly Contest {number}", "BIWEEKLY", saturday, 90)
    number = 515 + week
    sunday = monday + 6 * _DAY + timedelta(hours=2, minutes=30)
    yield plan("leetcode", f"weekly-contest-{number}", f"Weekly Contest {number}", "WEEKLY", sunday, 90)


def _codechef(week: int, monday: datetime) -> Contest:
    """Starters, every Wednesday 14:30 UTC."""
    number = 251 + week
    wednesday = monday + 2 * _DAY + timedelta(hours=14, minutes=30)
    return plan("codechef", f"START{number}", f"Starters {number}", "STARTERS", wednesday, 120)


def _atcoder(week: int, monday: datetime) -> Iterator[Contest]:
    """A beginner contest every Saturday 12:00 UTC, a regular one every second Sunday."""
    number = 471 + week
    saturday = monday + 5 * _DAY + timedelta(hours=12)
    yield plan("atcoder", f"abc{number}", f"AtCoder Beginner Contest {number}", "ABC", saturday, 100)
    if week % 2:
        number = 213 + week // 2
        yield plan("atcoder", f"arc{number}", f"AtCoder Regular Contest {number}", "ARC", saturday + _DAY, 120)
