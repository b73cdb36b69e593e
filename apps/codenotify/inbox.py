"""The inbox: one row a message, whatever its channels; what became of it follows from the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, case, cast, select

from apps.codenotify.tables import contests, notifications, users
from rota.messages import deliveries
from rota.messages.tables import as_instant
from rota.recipes import insert

KEPT = timedelta(days=90)
CONTEST_KINDS = ("reminder", "rescheduled", "cancelled", "reinstated")
_TITLES = {
    "reminder": "{name}",
    "rescheduled": "New time: {name}",
    "cancelled": "Cancelled: {name}",
    "reinstated": "Takes place after all: {name}",
}
_KEY = ("user_id", "contest_key", "kind", "schedule_version")
_notice = notifications.c


def note(connection: Connection, kind: str, facts: Sequence[Mapping[str, Any]]) -> None:
    """Enter what is about to be sent. ``payload`` and ``start_time`` are what is told: so that it can be shown, and a
    later change explained, when the contest's own row is long gone."""
    making = {"digest": _digest, "inactive": _warning}.get(kind, _of_contest)
    wanted = [each for each in facts if not each.get("cancel") and each["address"]]
    rows = {tuple(row[name] for name in _KEY): row for row in (_row(kind, each, making(each)) for each in wanted)}
    if not rows:
        return
    statement = insert(connection, notifications).values(list(rows.values()))
    told = {name: statement.excluded[name] for name in ("title", "message", "payload", "start_time")}
    connection.execute(statement.on_conflict_do_update(index_elements=[_notice[name] for name in _KEY], set_=told))


def _row(kind: str, facts: Mapping[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    row, now = facts["message"], facts["now"]
    common = {"contest_id": None, "start_time": None, "created_at": now, "expires_at": now + KEPT}
    key = {"contest_key": row.subject, "kind": kind, "schedule_version": 1}
    return {"user_id": facts["user_id"], **common, **key, **told}


def _of_contest(facts: Mapping[str, Any]) -> dict[str, Any]:
    row, contest = facts["message"], facts["contest"]
    start = contest["start_time"]
    payload = {name: contest[name] for name in ("name", "platform", "type", "website_url")}
    old = facts.get("old_start") or start
    return {
        "contest_id": facts["contest_id"],
        "schedule_version": int(row.version),
        "type": "CONTEST_REMINDER" if row.kind == "reminder" else "SYSTEM_ALERT",
        "title": _TITLES[row.kind].format(name=contest["name"]),
        "message": f"{contest['platform']}: starts {start:%Y-%m-%d %H:%M} UTC",
        "payload": payload
        | {"start_time": start.isoformat(), "end_time": facts["end_time"].isoformat(), "old_start": old.isoformat()},
        "start_time": start,
    }


def _digest(facts: Mapping[str, Any]) -> dict[str, Any]:
    start, end, length = facts["period_start"], facts["period_end"], facts["length"]
    return {
        "contest_key": "digest",
        "kind": f"digest:{facts['message'].version}",
        "type": f"{facts['message'].subject.upper()}_DIGEST",
        "title": f"Contests in the next {length}",
        "message": f"from {start:%Y-%m-%d %H:%M} UTC",
        "payload": {"period_start": start.isoformat(), "period_end": end.isoformat(), "length": length},
    }


def _warning(facts: Mapping[str, Any]) -> dict[str, Any]:
    quiet_from = facts["quiet_from"]
    return {
        "contest_key": "inactive",
        "kind": f"inactive:{facts['message'].version}",
        "type": "SYSTEM_ALERT",
        "title": "Your account goes quiet soon",
        "message": f"from {quiet_from:%Y-%m-%d %H:%M} UTC, unless you come back",
        "payload": {"quiet_from": quiet_from.isoformat()},
    }


def is_about(row: Any = deliveries) -> ColumnElement[bool]:
    """Whether a row of the ledger is a notification's: a digest and a warning have their date in its kind."""
    dated = case((row.c.kind.in_(CONTEST_KINDS), row.c.kind), else_=row.c.kind.concat(":").concat(row.c.version))
    of_contest = and_(row.c.subject == _notice.contest_key, row.c.version == cast(_notice.schedule_version, Text))
    mine = and_(row.c.recipient == cast(_notice.user_id, Text), dated == _notice.kind)
    return and_(mine, case((row.c.kind.in_(CONTEST_KINDS), of_contest), else_=True))


def told_start(*, before: ColumnElement[int] | None = None) -> ColumnElement[Any]:
    """The start that the person was last told of the contest, by a message that was sent; NULL if there is none."""
    row = deliveries.alias("told")
    of_pair = (
        row.c.recipient == cast(_notice.user_id, Text),
        row.c.subject == _notice.contest_key,
        row.c.kind == _notice.kind,
        row.c.version == cast(_notice.schedule_version, Text),
    )
    query = select(as_instant(_notice.start_time)).join(row, and_(*of_pair, row.c.status == "sent"))
    query = query.where(_of_reader(), _notice.kind.in_(("reminder", "rescheduled", "reinstated")))
    if before is not None:
        query = query.where(_notice.schedule_version < before)
    return _newest(query, row)


def last_kind() -> ColumnElement[Any]:
    """The kind of what the person was last sent about the contest."""
    row = deliveries.alias("last")
    of_pair = (row.c.recipient == cast(users.c.id, Text), row.c.subject == contests.c.contest_key)
    return _newest(select(row.c.kind).where(*of_pair, row.c.kind.in_(CONTEST_KINDS), row.c.status == "sent"), row)


def was_reminded_of_this_start() -> ColumnElement[bool]:
    """Of an earlier version that began when this one does: it was moved, and moved back."""
    row = deliveries.alias("reminded")
    same = (
        _of_reader(),
        _notice.kind == "reminder",
        as_instant(_notice.start_time) == as_instant(contests.c.start_time),
        _notice.schedule_version < contests.c.schedule_version,
        row.c.recipient == cast(_notice.user_id, Text),
        row.c.subject == _notice.contest_key,
        row.c.kind == "reminder",
        row.c.version == cast(_notice.schedule_version, Text),
        row.c.status == "sent",
    )
    return _correlated(select(_notice.id).join(row, and_(*same))).exists()


def _of_reader() -> ColumnElement[bool]:
    return and_(_notice.user_id == users.c.id, _notice.contest_key == contests.c.contest_key)


def _newest(query: Select[Any], row: Any) -> ColumnElement[Any]:
    newest = query.order_by(row.c.ended_at.desc(), row.c.id.desc()).limit(1)
    return _correlated(newest).scalar_subquery()


def _correlated(query: Select[Any]) -> Select[Any]:
    return query.correlate(users, contests)
