"""What people want to hear, and where: conditions that hold alike in both databases, whatever stands in a row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Text, and_, case, cast, func, literal, or_, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from apps.codenotify.tables import contests, users
from apps.database import HOUR_US, micros
from rota.messages.tables import as_instant

ADDRESS_COLUMNS = {
    "email": "email",
    "whatsapp": "phone",
    "push": "push_token",
    "discord": "discord_id",
    "telegram": "telegram_chat_id",
}
"""Where a person's address on a channel is kept."""
TICK = timedelta(minutes=30)
LEAST_HOURS, MOST_HOURS = 1, 168
_user, _contest = users.c, contests.c

hours = case(
    (_user.notify_before_hours < LEAST_HOURS, LEAST_HOURS),
    (_user.notify_before_hours > MOST_HOURS, MOST_HOURS),
    else_=_user.notify_before_hours,
)
"""The hours asked for, brought into the range that is promised."""


class IsTrue(FunctionElement[bool]):
    """Whether a JSON object holds ``true`` under a name; any other value, and any other JSON, is no."""

    type = Boolean()
    inherit_cache = True


@compiles(IsTrue, "sqlite")
def _in_sqlite(element: IsTrue, compiler: Any, **options: Any) -> str:
    column, name = (compiler.process(each, **options) for each in element.clauses)
    held = f"json_type({column}, '$.' || {name}) = 'true'"
    return f"(CASE WHEN json_valid({column}) THEN coalesce({held}, 0) ELSE 0 END)"


@compiles(IsTrue, "postgresql")
def _in_postgresql(element: IsTrue, compiler: Any, **options: Any) -> str:
    column, name = (compiler.process(each, **options) for each in element.clauses)
    return f"coalesce(({column} -> CAST({name} AS text))::text = 'true', false)"


def names(column: ColumnElement[Any], name: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether a JSON list of plain names holds one: it does if the name stands there in quotes."""
    text, quoted = cast(column, Text), literal('"', Text).concat(name).concat('"')
    return func.replace(text, quoted, "") != text


def listens() -> ColumnElement[bool]:
    """Whether a person may be written to at all."""
    return and_(_user.is_active, _user.is_email_verified)


def wants(frequency: str) -> ColumnElement[bool]:
    return and_(listens(), _user.alert_frequency == frequency)


def follows() -> ColumnElement[bool]:
    """Whether a contest is on a platform, and of a type, that the person follows; no types means all."""
    every_type = func.replace(cast(_user.contest_types, Text), '"', "") == cast(_user.contest_types, Text)
    return and_(names(_user.platforms, _contest.platform), or_(every_type, names(_user.contest_types, _contest.type)))


def reachable(channel: ColumnElement[str], channels: Iterable[str]) -> ColumnElement[bool]:
    """Whether the person has the channel switched on, and an address there."""
    return or_(
        *(
            and_(channel == name, IsTrue(_user.channels, literal(name, Text)), func.coalesce(address(name), "") != "")
            for name in channels
        )
    )


def address(channel: str) -> ColumnElement[str]:
    return _user[ADDRESS_COLUMNS[channel]]


def to_come(as_of: datetime) -> ColumnElement[bool]:
    return and_(_contest.is_active, _contest.cancelled_at.is_(None), _contest.start_time > as_of)


def lead_within(as_of: datetime, margin: timedelta, *, strictly: bool = False) -> ColumnElement[bool]:
    """Whether the contest starts within the hours asked for, and ``margin``, from ``as_of``."""
    start = type_coerce(as_instant(_contest.start_time), BigInteger)
    latest = literal(micros(as_of + margin), BigInteger) + hours * literal(HOUR_US, BigInteger)
    return start < latest if strictly else start <= latest
