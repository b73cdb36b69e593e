"""Contests in the words of each platform: first as rows, which a scenario may spoil, then as its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from html import escape
from typing import Any

from apps.codenotify.contest import Contest

Rows = list[dict[str, Any]]
IST, JST = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=9))
SYSTEM_TEST = timedelta(hours=2)
PAST_SHOWN = 20
PERMANENT = {
    "id": "practice",
    "start_epoch_second": 0,
    "duration_second": 3_153_600_000,
    "title": "practice contest",
    "rate_change": "-",
}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _phase(contest: Contest, now: datetime) -> str:
    if contest.phase:
        return contest.phase
    if contest.end_time <= now < contest.end_time + SYSTEM_TEST:
        return "SYSTEM_TEST"
    return contest.phase_at(now)


def codeforces_rows(contests: Sequence[Contest], now: datetime) -> Rows:
    newest_first = sorted(contests, key=lambda contest: contest.start_time, reverse=True)
    return [
        {
            "id": int(contest.platform_id),
            "name": contest.name,
            "type": contest.type,
            "phase": _phase(contest, now),
            "frozen": False,
            "durationSeconds": contest.duration_minutes * 60,
            "startTimeSeconds": _seconds(contest.start_time),
            "relativeTimeSeconds": _seconds(now) - _seconds(contest.start_time),
        }
        for contest in newest_first
    ]


def codeforces_answer(rows: Rows) -> str:
    return json.dumps({"status": "OK", "result": rows})


def leetcode_rows(contests: Sequence[Contest], _now: datetime) -> Rows:
    return [
        {
            "title": contest.name,
            "titleSlug": contest.platform_id,
            "startTime": _seconds(contest.start_time),
            "duration": contest.duration_minutes * 60,
            "originStartTime": _seconds(contest.start_time),
            "isVirtual": False,
            "description": None,
            "containsPremium": False,
        }
        for contest in contests
    ]


def leetcode_answer(rows: Rows, query: str) -> str:
    return json.dumps({"data": {query: rows[:2] if query == "topTwoContests" else rows}})


def codechef_rows(contests: Sequence[Contest], now: datetime) -> Rows:
    return [
        {
            "contest_id": str(64_030 + number),
            "contest_code": contest.platform_id,
            "contest_name": contest.name,
            **_indian("contest_start_date", contest.start_time),
            **_indian("contest_end_date", contest.end_time),
            "contest_duration": str(contest.duration_minutes),
            "distinct_users": 0,
            "list": _codechef_list(contest, now),
        }
        for number, contest in enumerate(contests)
    ]


def _indian(name: str, moment: datetime) -> dict[str, str]:
    here = moment.astimezone(IST)
    return {name: f"{here:%d %b %Y  %H:%M:%S}", f"{name}_iso": here.isoformat(timespec="seconds")}


def _codechef_list(contest: Contest, now: datetime) -> str:
    names = {"BEFORE": "future_contests", "CODING": "present_contests"}
    return names.get(contest.phase_at(now), "past_contests")


def codechef_answer(rows: Rows) -> str:
    lists: dict[str, Rows] = {
        "present_contests": [],
        "future_contests": [],
        "practice_contests": [],
        "past_contests": [],
    }
    for row in rows:
        lists[row["list"]].append({name: value for name, value in row.items() if name != "list"})
    lists["past_contests"] = lists["past_contests"][-PAST_SHOWN:][::-1]
    return json.dumps({"status": "success", "message": "All contests list", **lists})


def atcoder_rows(contests: Sequence[Contest], now: datetime) -> Rows:
    names = {"BEFORE": "upcoming", "CODING": "action"}
    return [
        {
            "table": names.get(contest.phase_at(now), "recent"),
            "iso": f"{contest.start_time.astimezone(JST):%Y%m%dT%H%M}",
            "time": f"{contest.start_time.astimezone(JST):%Y-%m-%d %H:%M:%S%z}",
            "slug": contest.platform_id,
            "title": contest.name,
            "length": f"{contest.duration_minutes // 60:02}:{contest.duration_minutes % 60:02}",
            "rated": " - 1999",
        }
        for contest in contests
    ]


def atcoder_answer(rows: Rows, tables: Sequence[str] = ("action", "upcoming", "recent")) -> str:
    """The page, with a table of daily training besides, which is no contest."""
    training = [{**rows[0], "slug": "adt_easy_1", "title": "Daily Training"}] if rows else []
    parts = [_table(name, [row for row in rows if row["table"] == name]) for name in tables]
    parts.append(_table("daily", training))
    return f"<!doctype html><html><body><div id='main'>{''.join(parts)}</div></body></html>"


def _table(name: str, rows: Rows) -> str:
    body = "".join(_row(row) for row in rows)
    return f'<div id="contest-table-{name}"><table><tbody>{body}</tbody></table></div>'


def _row(row: dict[str, Any]) -> str:
    link = f"http://www.timeanddate.com/worldclock/fixedtime.html?iso={row['iso']}&p1=248"
    time = f"<time class='fixtime fixtime-full'>{row['time']}</time>" if row["time"] else "see there"
    return (
        f'<tr><td class="text-center"><a href="{link}">{time}</a></td>'
        f'<td><span title="Algorithm">A</span> <a href="/contests/{row["slug"]}">{escape(row["title"])}</a></td>'
        f'<td class="text-center">{row["length"]}</td><td class="text-center">{row["rated"]}</td></tr>'
    )


def archive_rows(contests: Sequence[Contest], now: datetime) -> Rows:
    """What the community keeps: contests that are over, and pages that are always open; nothing to come."""
    over = [contest for contest in contests if contest.end_time <= now]
    return [
        PERMANENT,
        *(
            {
                "id": contest.platform_id,
                "start_epoch_second": _seconds(contest.start_time),
                "duration_second": contest.duration_minutes * 60,
                "title": contest.name,
                "rate_change": " ~ 1999",
            }
            for contest in over
        ),
    ]
