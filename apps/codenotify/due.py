"""Who is to be told what: each kind of message as one SELECT of rows for the ledger.

A reminder is due from the tick whose lead is at most N hours and a half, until the start: nobody is told later than
they asked, and a tick that was missed, or a contest found late, only makes it later, never lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.selectable import NamedFromClause

from apps.codenotify.channels import ADDRESS_COLUMNS
from apps.codenotify.tables import contains, contests, deliveries, users
from apps.database import HOUR_US, micros

TICK = timedelta(minutes=30)
LEAST_HOURS, MOST_HOURS = 1, 168
TOLD = ("reminder", "rescheduled")

# The hours asked for, brought into the range that is promised.
hours = case(
    (users.c.notify_before_hours < LEAST_HOURS, LEAST_HOURS),
    (users.c.notify_before_hours > MOST_HOURS, MOST_HOURS),
    else_=users.c.notify_before_hours,
)
_start_us = type_coerce(contests.c.start_time, BigInteger)


def lead_within(as_of: datetime, margin: timedelta, *, strictly: bool = False) -> ColumnElement[bool]:
    """Whether the contest starts within the hours asked for, and ``margin``, from ``as_of``."""
    latest = literal(micros(as_of + margin), BigInteger) + hours * literal(HOUR_US, BigInteger)
    return _start_us < latest if strictly else _start_us <= latest


def listens() -> ColumnElement[bool]:
    """Whether a person may be written to at all."""
    return and_(users.c.is_active, users.c.is_email_verified)


def wants(frequency: str) -> ColumnElement[bool]:
    return and_(listens(), users.c.alert_frequency == frequency)


def follows() -> ColumnElement[bool]:
    """Whether a contest is on a platform, and of a type, that the person follows; no types means all."""
    every_type = func.json_array_length(users.c.contest_types) == 0
    of_type = or_(every_type, contains(users.c.contest_types, contests.c.type))
    return and_(contains(users.c.platforms, contests.c.platform), of_type)


def to_come(as_of: datetime) -> ColumnElement[bool]:
    return and_(contests.c.is_active, contests.c.cancelled_at.is_(None), contests.c.start_time > as_of)


def channel_table(channels: Sequence[str]) -> NamedFromClause:
    return union_all(*(select(literal(name).label("name")) for name in channels)).subquery("channel")


def reachable(channel: NamedFromClause, channels: Sequence[str]) -> ColumnElement[bool]:
    """Whether the person has the channel switched on, and an address there."""
    return or_(
        *(
            and_(
                channel.c.name == name,
                users.c.channels[name].as_boolean().is_(True),
                users.c[ADDRESS_COLUMNS[name]].is_not(None),
                users.c[ADDRESS_COLUMNS[name]] != "",
            )
            for name in channels
        )
    )


def pairs(as_of: datetime) -> Select[Any]:
    """The (user, contest) pairs whose reminder is due, told or not."""
    due = and_(wants("immediate"), follows(), to_come(as_of), lead_within(as_of, TICK))
    horizon = contests.c.start_time <= as_of + timedelta(hours=MOST_HOURS) + TICK
    return select(users.c.id, contests.c.id).join_from(contests, users, and_(horizon, due))


def messages(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """The (user, contest, channel) triples whose reminder is due, told or not."""
    channel = channel_table(channels)
    return pairs(as_of).join(channel, reachable(channel, channels))


def reminders(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    channel = channel_table(channels)
    where = and_(wants("immediate"), follows(), lead_within(as_of, TICK))
    return _rows("reminder", to_come(as_of), where, as_of, channel, channels)


def rescheduled(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """People who were told a time that no longer holds, and not yet the one that does."""
    channel = channel_table(channels)
    version = contests.c.schedule_version
    told_before = _told(deliveries.c.schedule_version < version, deliveries.c.status == "sent")
    told_now = _told(deliveries.c.schedule_version == version, deliveries.c.kind == "reminder")
    which = and_(to_come(as_of), version > 1)
    return _rows("rescheduled", which, and_(listens(), told_before, ~told_now), as_of, channel, channels)


def cancelled(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """People who were told of a contest that will not take place."""
    channel = channel_table(channels)
    which = and_(contests.c.cancelled_at.is_not(None), contests.c.start_time > as_of)
    told = _told(deliveries.c.status == "sent")
    return _rows("cancelled", which, and_(listens(), told), as_of, channel, channels)


def _told(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    other = deliveries
    of_pair = and_(other.c.user_id == users.c.id, other.c.contest_key == contests.c.contest_key)
    query = exists().where(of_pair, other.c.kind.in_(TOLD), *conditions)
    return query.correlate(users, contests)


def _rows(
    kind: str,
    which: ColumnElement[bool],
    who: ColumnElement[bool],
    as_of: datetime,
    channel: NamedFromClause,
    channels: Sequence[str],
) -> Select[Any]:
    """The ledger's key and facts for each message not yet in the ledger, in the order of users."""
    ledger = deliveries.alias("ledger")
    known = exists().where(
        ledger.c.user_id == users.c.id,
        ledger.c.contest_key == contests.c.contest_key,
        ledger.c.kind == kind,
        ledger.c.schedule_version == contests.c.schedule_version,
        ledger.c.channel == channel.c.name,
    )
    horizon = contests.c.start_time <= as_of + timedelta(hours=MOST_HOURS) + TICK
    soon = horizon if kind == "reminder" else literal(True)
    return (
        select(
            users.c.id.label("user_id"),
            contests.c.contest_key,
            literal(kind).label("kind"),
            contests.c.schedule_version,
            channel.c.name.label("channel"),
            contests.c.start_time.label("useful_until"),
            contests.c.end_time.label("contest_end_time"),
        )
        .select_from(contests)
        .join(users, and_(which, who, soon))
        .join(channel, reachable(channel, channels))
        .where(~known)
        .order_by(users.c.id, contests.c.start_time, contests.c.id, channel.c.name)
    )
