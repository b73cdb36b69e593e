"""The last look before a message leaves: does the person still want it, and is it still true?

It goes by the wall clock, not by the run's ``as_of``: a run that was held up for hours must send nothing stale.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, select

from apps.codenotify.channels import ADDRESS_COLUMNS
from apps.codenotify.people import last_activity
from apps.codenotify.tables import contests, deliveries, notifications, users
from apps.database import UtcDate

Reason = Literal["opted_out", "stale"]
DIGEST, WARNING = "digest", "inactive"
_FACTS = (
    "id", "platform", "type", "name", "start_time", "duration_minutes", "website_url", "registration_url",
    "schedule_version", "is_active", "cancelled_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What a template may say of a contest."""

    name: str
    platform: str
    type: str
    start_time: datetime
    duration_minutes: int
    website_url: str
    registration_url: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """A ledger row as it stands now. ``reason`` says why it is not to be sent; ``contests``, what to write of."""

    row: Row[Any]
    reason: Reason | None
    contests: tuple[Facts, ...] = ()

    @property
    def address(self) -> str:
        return str(getattr(self.row, ADDRESS_COLUMNS[self.row.channel]))


def recheck(connection: Connection, ids: Collection[int], now: datetime) -> list[Checked]:
    """One query for all of the rows, and one more if there are digests among them."""
    rows = connection.execute(_view(ids)).all()
    digests = [row for row in rows if row.kind.startswith(DIGEST)]
    upcoming = _upcoming(connection, digests, now) if digests else []
    return [_checked(row, upcoming, now) for row in rows]


def _view(ids: Collection[int]) -> Select[Any]:
    own = ("id", "user_id", "contest_key", "kind", "schedule_version", "channel", "attempts", "useful_until")
    person = (
        "name", "role", "is_active", "is_email_verified", "channels", "time_zone", "platforms", "contest_types",
        *ADDRESS_COLUMNS.values(),
    )  # fmt: skip
    return (
        select(
            *(deliveries.c[name] for name in own),
            *(users.c[name] for name in person),
            *(contests.c[name].label(f"contest_{name}") for name in _FACTS),
            UtcDate(last_activity).label("last_seen_on"),
            notifications.c.payload,
        )
        .join(users, users.c.id == deliveries.c.user_id)
        .join(contests, contests.c.contest_key == deliveries.c.contest_key, isouter=True)
        .join(notifications, notifications.c.id == deliveries.c.notification_id, isouter=True)
        .where(deliveries.c.id.in_(ids))
        .order_by(deliveries.c.id)
    )


def _checked(row: Row[Any], upcoming: Sequence[Row[Any]], now: datetime) -> Checked:
    if not _listens(row):
        return Checked(row, "opted_out")
    if row.kind.startswith(DIGEST):
        chosen = tuple(_facts(contest) for contest in upcoming if _in_digest(contest, row))
        return Checked(row, None if chosen else "stale", chosen)
    if row.kind.startswith(WARNING):
        return Checked(row, "stale" if _stretch_is_over(row, now) else None)
    if _stale(row, now):
        return Checked(row, "stale")
    return Checked(row, None, (_facts(row, "contest_"),))


def _listens(row: Row[Any]) -> bool:
    on = bool(row.channels.get(row.channel)) and bool(getattr(row, ADDRESS_COLUMNS[row.channel]))
    return bool(row.is_active and row.is_email_verified and on)


def _stretch_is_over(row: Row[Any], now: datetime) -> bool:
    """Whether the inactivity that a warning is about has ended: by the person, by their role, or by its time."""
    same = row.kind == f"{WARNING}:{row.last_seen_on}"
    return not same or row.role != "user" or row.useful_until <= now


def _stale(row: Row[Any], now: datetime) -> bool:
    if row.contest_id is None or row.contest_start_time <= now or row.payload is None:
        return True
    if row.kind == "cancelled":
        return row.contest_cancelled_at is None
    gone = row.contest_cancelled_at is not None or not row.contest_is_active
    return gone or row.contest_schedule_version != row.schedule_version


def _facts(row: Row[Any], prefix: str = "") -> Facts:
    return Facts(*(getattr(row, prefix + name) for name in Facts.__slots__))


def _upcoming(connection: Connection, digests: Sequence[Row[Any]], now: datetime) -> Sequence[Row[Any]]:
    """The contests that any of the digests may hold; what has begun meanwhile is left out."""
    latest = max(datetime.fromisoformat(row.payload["period_end"]) for row in digests if row.payload)
    query = select(*(contests.c[name] for name in _FACTS)).where(
        contests.c.start_time > now,
        contests.c.start_time < latest,
        contests.c.is_active,
        contests.c.cancelled_at.is_(None),
    )
    return connection.execute(query.order_by(contests.c.start_time, contests.c.id)).all()


def _in_digest(contest: Row[Any], row: Row[Any]) -> bool:
    start, end = (datetime.fromisoformat(row.payload[name]) for name in ("period_start", "period_end"))
    followed = contest.platform in row.platforms and (not row.contest_types or contest.type in row.contest_types)
    return followed and start <= contest.start_time < end
