"""CodeChef: the list behind its own contest page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from typing import Any

import httpx

from apps.codenotify.adapters.fetched import Fetched, extras, text, whole
from apps.codenotify.adapters.http import Http, Unchanged, read_json
from apps.codenotify.adapters.leetcode import BROWSER
from apps.codenotify.contest import Contest
from apps.codenotify.errors import PermanentError, TransientError

PATH = "/api/list/contests/all?sort_by=START&sorting_order=asc&offset=0&mode=all"
LISTS = ("present_contests", "future_contests", "past_contests")  # "practice" is not for a moment in time
IST = timezone(timedelta(hours=5, minutes=30))
DIVISION = re.compile(r"(START\d+)[A-D]")


def fetch(http: Http, _since: datetime) -> Fetched:
    fetched = Fetched(complete=True)
    try:
        rows = http.get("codechef", PATH, _rows, User_Agent=BROWSER)
    except Unchanged:
        fetched.unchanged = True
    else:
        fetched.read(rows, _contest, lambda row: row["contest_code"])
    return fetched


def _rows(response: httpx.Response) -> list[Any]:
    body = read_json(response)
    status = body.get("status") if isinstance(body, dict) else None
    if status == "rate_limit_exceeded":
        raise TransientError("rate_limited", "rate_limit_exceeded")
    if status != "success":
        raise PermanentError("refused", f"status {status!r:.40}")
    lists = [body.get(name, []) for name in LISTS]
    if "future_contests" not in body or not all(isinstance(each, list) for each in lists):
        raise PermanentError("schema", "the answer has no lists of contests")
    return list(chain.from_iterable(lists))


def _contest(row: dict[str, Any]) -> Contest:
    code, name = text(row["contest_code"]), text(row["contest_name"])
    start, end = _moment(row, "contest_start_date"), _moment(row, "contest_end_date")
    if end <= start:
        raise ValueError("it ends before it starts")
    return Contest(
        platform="codechef",
        platform_id=canonical(code),
        name=name,
        type=_type(f"{code} {name}".upper()),
        start_time=start,
        end_time=end,
        duration_minutes=whole(row["contest_duration"], 1),
        website_url=f"https://www.codechef.com/{code}",
        participant_count=whole(row.get("distinct_users") or 0),
        metadata=extras(row, "contest_id", "contest_code"),
    )


def canonical(code: str) -> str:
    """One id for one round: it is START251B while it is to come, for each division, and START251 when it is over."""
    division = DIVISION.fullmatch(code)
    return division[1] if division else code


def _moment(row: dict[str, Any], name: str) -> datetime:
    """Only the ISO form says its zone; the text form has two spaces and is in Indian time."""
    if iso := row.get(f"{name}_iso"):
        moment = datetime.fromisoformat(iso)
    else:
        moment = datetime.strptime(" ".join(text(row[name]).split()), "%d %b %Y %H:%M:%S")  # noqa: DTZ007 - below
    return (moment if moment.tzinfo else moment.replace(tzinfo=IST)).astimezone(UTC)


def _type(words: str) -> str:
    if words.startswith("START"):
        return "STARTERS"
    for mark, kind in (("COOK", "COOK_OFF"), ("LTIME", "LUNCH_TIME"), ("LUNCHTIME", "LUNCH_TIME"), ("LONG", "LONG")):
        if mark in words:
            return kind
    return "STARTERS" if "STARTERS" in words else "OTHER"
