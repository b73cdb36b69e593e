"""What can go wrong at a platform, by name. A fault of the line changes an answer; a fault of the data, its rows.

The count given to a line fault is that of the requests since the scenario was set, from 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from apps.demo.shapes import Rows

MAINTENANCE = b"<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes over the wire: ``hang`` answers too late, ``drop`` not at all."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    hang: bool = False
    drop: bool = False


Line = Callable[[Answer, int], Answer]
Data = Callable[[Rows], Rows]


def _unavailable(answer: Answer, _count: int) -> Answer:
    return replace(answer, status=503, body=MAINTENANCE, content_type="text/html")


def _first(times: int, fault: Line) -> Line:
    return lambda answer, count: fault(answer, count) if count <= times else answer


def _json(status: int, value: Any, **headers: str) -> Line:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda answer, _: replace(answer, status=status, body=json.dumps(value).encode(), headers=named)


LINE: dict[str, Line] = {
    "unavailable": _unavailable,
    "unavailable-twice": _first(2, _unavailable),
    "rate-limited": _first(1, _json(429, {}, Retry_After="2")),
    "html": lambda answer, _: replace(answer, body=MAINTENANCE, content_type="text/html"),
    "hang": lambda answer, _: replace(answer, hang=True),
    "drop": lambda answer, _: replace(answer, drop=True),
    "forbidden": lambda answer, _: replace(answer, status=403, body=b"Just a moment", content_type="text/html"),
    "not-found": _json(404, {}),
    "call-limit": _first(1, _json(200, {"status": "FAILED", "comment": "Call limit exceeded"})),
    "bad-argument": _json(400, {"status": "FAILED", "comment": "gym: Field should be a boolean"}),
    "graphql-errors": _json(200, {"data": None, "errors": [{"message": "Internal error"}]}),
    "graphql-fallback": _first(1, _json(400, {"errors": [{"message": "Cannot query field 'allContests'"}]})),
    "rate-limit-exceeded": _first(1, _json(200, {"status": "rate_limit_exceeded"})),
}


def _spoilt(share: float) -> Data:
    """The first ``share`` of the rows lose what no contest can be without."""
    needed = ("durationSeconds", "startTime", "contest_duration", "length", "duration_second")

    def spoil(rows: Rows) -> Rows:
        bad = ceil(len(rows) * share)
        return [
            {name: "soon" if name in needed else value for name, value in row.items()} if at < bad else row
            for at, row in enumerate(rows)
        ]

    return spoil


def _without(*names: str) -> Data:
    return lambda rows: [{name: value for name, value in row.items() if name not in names} for row in rows]


def _set(**values: Any) -> Data:
    return lambda rows: [{**row, **{name: value for name, value in values.items() if name in row}} for row in rows]


DATA: dict[str, Data] = {
    "empty": lambda _: [],
    "one-bad": _spoilt(0.1),
    "mostly-bad": _spoilt(0.6),
    "no-start": lambda rows: _without("startTimeSeconds", "relativeTimeSeconds")(rows[:1]) + rows[1:],
    "text-dates": _without("contest_start_date_iso", "contest_end_date_iso"),
    "link-dates": _set(time=""),
    "ten-days": _set(length="240:00"),
}
"""The AtCoder page besides knows ``missing-table``."""

NAMES = ("ok", "missing-table", *LINE, *DATA)
