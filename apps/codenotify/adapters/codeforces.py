"""Codeforces: ``contest.list``, the whole history in one answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from apps.codenotify.adapters.fetched import Fetched, Skip, extras, text, whole
from apps.codenotify.adapters.http import Http, Unchanged, read_json
from apps.codenotify.contest import Contest
from apps.codenotify.errors import PermanentError, TransientError

PHASES = ("BEFORE", "CODING", "PENDING_SYSTEM_TEST", "SYSTEM_TEST", "FINISHED")
TYPES = ("CF", "IOI", "ICPC")
OPTIONAL = ("preparedBy", "description", "kind", "icpcRegion", "season", "frozen", "freezeDurationSeconds")


def fetch(http: Http, _since: datetime) -> Fetched:
    fetched = Fetched(complete=True)
    try:
        rows = http.get("codeforces", "/api/contest.list?gym=false", _rows)
    except Unchanged:
        fetched.unchanged = True
    else:
        fetched.read(rows, _contest, lambda row: row["id"])
    return fetched


def _rows(response: httpx.Response) -> list[Any]:
    body = read_json(response)
    if not isinstance(body, dict) or "status" not in body:
        raise PermanentError("schema", "the answer has no status")
    if body["status"] != "OK":
        comment = str(body.get("comment", "no comment"))[:200]
        if "limit exceeded" in comment.lower():
            raise TransientError("rate_limited", comment)
        raise PermanentError("refused", comment)
    rows = body.get("result")
    if not isinstance(rows, list):
        raise PermanentError("schema", "the answer has no list of contests")
    return rows


def _contest(row: dict[str, Any]) -> Contest:
    # Not "now": a round whose time is not yet decided would be announced to everybody at once.
    if row.get("startTimeSeconds") is None:
        raise Skip("no_start_time")
    start = datetime.fromtimestamp(whole(row["startTimeSeconds"]), UTC)
    seconds = whole(row["durationSeconds"], 1)
    return Contest(
        platform="codeforces",
        platform_id=str(whole(row["id"], 1)),
        name=text(row["name"]),
        type=row["type"] if row.get("type") in TYPES else "CF",
        phase=row["phase"] if row.get("phase") in PHASES else None,
        start_time=start,
        end_time=start + timedelta(seconds=seconds),
        duration_minutes=seconds // 60,
        website_url=f"https://codeforces.com/contest/{row['id']}",
        difficulty=_maybe(str(row.get("difficulty") or "")),
        country=_maybe(row.get("country")),
        city=_maybe(row.get("city")),
        metadata=extras(row, *OPTIONAL),
    )


def _maybe(value: Any) -> str | None:
    return text(value) if value else None
