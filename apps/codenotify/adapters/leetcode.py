"""LeetCode: an undocumented GraphQL endpoint that wants to be asked as by its own pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from apps.codenotify.adapters.fetched import Fetched, extras, text, whole
from apps.codenotify.adapters.http import Http, read_json
from apps.codenotify.contest import Contest
from apps.codenotify.errors import PermanentError

FULL = "title titleSlug startTime duration originStartTime isVirtual description containsPremium"
SHORT = "title titleSlug startTime duration"
# Any of them may be withdrawn; only the first holds everything that is to come.
QUERIES = (("allContests", FULL), ("upcomingContests", SHORT), ("topTwoContests", SHORT))
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (compatible; CodeNotify/1.0)"


def fetch(http: Http, _since: datetime) -> Fetched:
    refusals = []
    for name, columns in QUERIES:
        try:
            rows = _ask(http, name, columns)
        except PermanentError as error:
            if error.kind != "graphql":
                raise
            refusals.append(f"{name}: {error}")
            continue
        fetched = Fetched(complete=name == "allContests", warnings=refusals)
        fetched.read(rows, _contest, lambda row: row["titleSlug"])
        return fetched
    raise PermanentError("graphql", "; ".join(refusals))


def _ask(http: Http, name: str, columns: str) -> list[Any]:
    def rows(response: httpx.Response) -> list[Any]:
        body = read_json(response)
        data = body.get("data") if isinstance(body, dict) else None
        found = data.get(name) if isinstance(data, dict) else None
        if not isinstance(found, list):
            raise PermanentError("graphql", _message(body))
        return found

    return http.post(
        "leetcode",
        "/graphql",
        {"query": f"query {name} {{ {name} {{ {columns} }} }}", "variables": {}, "operationName": name},
        rows,
        Referer="https://leetcode.com/contest/",
        Origin="https://leetcode.com",
        User_Agent=BROWSER,
    )


def _message(body: Any) -> str:
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("message", "an error without a message"))[:200]
    return "the answer has neither data nor errors"


def _contest(row: dict[str, Any]) -> Contest:
    title, slug = text(row["title"]), text(row["titleSlug"])
    start = datetime.fromtimestamp(whole(row["startTime"], 1), UTC)
    seconds = whole(row["duration"], 1)
    return Contest(
        platform="leetcode",
        platform_id=slug,
        name=title,
        type="BIWEEKLY" if "biweekly" in title.lower() else "WEEKLY",
        start_time=start,
        end_time=start + timedelta(seconds=seconds),
        duration_minutes=seconds // 60,
        website_url=f"https://leetcode.com/contest/{slug}",
        metadata=extras(row, "originStartTime", "isVirtual", "containsPremium"),
    )
