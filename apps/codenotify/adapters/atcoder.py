"""AtCoder: no API. What is to come stands on its contest page; what is over, in a community archive."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
from selectolax.lexbor import LexborHTMLParser, LexborNode

from apps.codenotify.adapters.fetched import Fetched, Skip, extras, text, whole
from apps.codenotify.adapters.http import Http, Unchanged, read_json
from apps.codenotify.contest import Contest
from apps.codenotify.errors import OutsideError, PermanentError

JST = timezone(timedelta(hours=9))
ISO_IN_LINK = re.compile(r"iso=(\d{8}T\d{4})")
PERMANENT_S = 10 * 365 * 86_400
TYPES = ("ABC", "ARC", "AGC", "AHC")
TITLES = {
    "BEGINNER CONTEST": "ABC",
    "REGULAR CONTEST": "ARC",
    "GRAND CONTEST": "AGC",
    "HEURISTIC CONTEST": "AHC",
}


def fetch(http: Http, since: datetime) -> Fetched:
    """Raises only if the page fails. The archive matters less: it holds nothing that is still to come."""
    fetched = Fetched(complete=True)
    try:
        rows = http.get("atcoder", "/contests/?lang=en", _page_rows)
    except Unchanged:
        fetched.unchanged = True
    else:
        fetched.read(rows, _from_page, lambda row: row.css_first("a[href^='/contests/']").attributes["href"])
    _add_archive(http, fetched, since)
    return fetched


def _add_archive(http: Http, fetched: Fetched, since: datetime) -> None:
    known = {contest.platform_id for contest in fetched.contests}

    def reader(row: dict[str, Any]) -> Contest:
        return _from_archive(row, since, known)

    complete = fetched.complete
    try:
        rows = http.get("kenkoooo", "/atcoder/resources/contests.json", _archive_rows)
        fetched.read(rows, reader, lambda row: row["id"])
    except Unchanged:
        pass
    except OutsideError as error:
        fetched.warnings.append(f"archive: {error.kind}: {error}")
    fetched.complete = complete


def _page_rows(response: httpx.Response) -> list[LexborNode]:
    page = LexborHTMLParser(response.text)
    if page.css_first("#contest-table-upcoming") is None:
        # Its absence is a changed page or an error page; "no contests" would be an empty table.
        raise PermanentError("schema", "the page has no table of upcoming contests")
    return page.css("#contest-table-action tbody tr") + page.css("#contest-table-upcoming tbody tr")


def _from_page(row: LexborNode) -> Contest:
    link = row.css_first("a[href^='/contests/']")
    if link is None:
        raise ValueError("it has no link")
    slug, title = (link.attributes["href"] or "").removeprefix("/contests/"), text(link.text())
    cells = row.css("td")
    start, length = _start(row), _length(cells[2].text())
    mark = row.css_first("span[title]")
    return _contest(
        slug,
        title,
        start,
        length,
        rated=cells[3].text().strip() if len(cells) > 3 else None,
        mark=mark.attributes["title"] if mark else None,
    )


def _start(row: LexborNode) -> datetime:
    time = row.css_first("time")
    if time is not None:
        return datetime.strptime(time.text().strip(), "%Y-%m-%d %H:%M:%S%z")
    link = ISO_IN_LINK.search(row.html or "")
    if link is None:
        raise ValueError("it has no start")
    return datetime.strptime(link[1], "%Y%m%dT%H%M").replace(tzinfo=JST)


def _length(cell: str) -> timedelta:
    """``01:40``; the hours may exceed a day, as in ``240:00``."""
    hours, minutes = cell.strip().split(":")
    return timedelta(hours=whole(hours), minutes=whole(minutes))


def _archive_rows(response: httpx.Response) -> list[Any]:
    body = read_json(response)
    if not isinstance(body, list):
        raise PermanentError("schema", "the archive is not a list")
    return body


def _from_archive(row: dict[str, Any], since: datetime, known: set[str]) -> Contest:
    if row["start_epoch_second"] == 0 or row["duration_second"] >= PERMANENT_S:
        raise Skip("permanent")
    start = datetime.fromtimestamp(whole(row["start_epoch_second"]), UTC)
    length = timedelta(seconds=whole(row["duration_second"], 1))
    if start + length < since:
        raise Skip("before_since")
    if row["id"] in known:
        raise Skip("on_page")
    return _contest(
        text(row["id"]), text(row["title"]), start, length, rated=extras(row, "rate_change").get("rate_change")
    )


def _contest(
    slug: str, title: str, start: datetime, length: timedelta, *, rated: str | None, mark: str | None = None
) -> Contest:
    if length <= timedelta(0):
        raise ValueError("it has no length")
    return Contest(
        platform="atcoder",
        platform_id=text(slug),
        name=title,
        type=_type(slug, title),
        start_time=start.astimezone(UTC),
        end_time=start.astimezone(UTC) + length,
        duration_minutes=length // timedelta(minutes=1),
        website_url=f"https://atcoder.jp/contests/{slug}",
        metadata={"rated": rated.strip() if rated else None} | ({"kind": mark} if mark else {}),
    )


def _type(slug: str, title: str) -> str:
    if slug[:3].upper() in TYPES:
        return slug[:3].upper()
    return next((kind for words, kind in TITLES.items() if words in title.upper()), "OTHER")
