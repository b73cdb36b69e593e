"""What people do that the jobs go by: read, follow a link, unsubscribe, choose; and when they last did anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, case, func, or_, select, update

from apps.codenotify.tables import notifications, users
from apps.codenotify.wishes import ADDRESS_COLUMNS
from rota.recipes import reading, writing

INACTIVE_AFTER = timedelta(days=180)
CHOICES = ("alert_frequency", "notify_before_hours", "platforms", "channels")


def last_activity() -> ColumnElement[Any]:
    """Activity is a login, a notification read or a link followed; without any, the account's own age counts."""
    row = users.c
    latest = func.coalesce(row.last_active_at, row.last_login_at, row.created_at)
    return case((row.last_login_at > row.last_active_at, row.last_login_at), else_=latest)


def record_activity(engine: Engine, user_id: int, at: datetime) -> None:
    """A link in a mail was followed: whoever reads the mails is not inactive, however rarely they log in."""
    later = or_(users.c.last_active_at.is_(None), users.c.last_active_at < at)
    with writing(engine) as connection:
        connection.execute(update(users).where(users.c.id == user_id, later).values(last_active_at=at))


def read_notification(engine: Engine, notification_id: int, at: datetime) -> None:
    """A notification was opened; the first time counts as when it was read."""
    row = notifications.c
    with writing(engine) as connection:
        unread = update(notifications).where(row.id == notification_id, row.read_at.is_(None))
        connection.execute(unread.values(read_at=at))
        user_id = connection.scalar(select(row.user_id).where(row.id == notification_id))
    if user_id is not None:
        record_activity(engine, user_id, at)


def unsubscribe(engine: Engine, user_id: int) -> None:
    """Switch mail off."""
    with writing(engine) as connection:
        found = connection.scalar(select(users.c.channels).where(users.c.id == user_id))
        channels = found if isinstance(found, dict) else {}
        connection.execute(update(users).where(users.c.id == user_id).values(channels={**channels, "email": False}))


def preferences(engine: Engine, user_id: int) -> Row[Any] | None:
    """What the person has chosen; None where there is nobody of that number."""
    with reading(engine) as connection:
        return connection.execute(select(*(users.c[name] for name in CHOICES)).where(users.c.id == user_id)).first()


def choose(engine: Engine, user_id: int, choices: Mapping[str, Any]) -> None:
    values = {name: choices[name] for name in CHOICES if name in choices}
    with writing(engine) as connection:
        connection.execute(update(users).where(users.c.id == user_id).values(values))


def channels_from(value: Mapping[str, object] | Iterable[str]) -> dict[str, bool]:
    """Channel choices from either form that is around: names switched on, or an object of booleans.

    Raises ``ValueError`` for a channel that does not exist, ``TypeError`` for a choice that is no boolean.
    """
    choices = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value, True)
    if unknown := set(choices) - set(ADDRESS_COLUMNS):
        raise ValueError(f"no such channel: {', '.join(sorted(unknown))}")
    if not all(isinstance(choice, bool) for choice in choices.values()):
        raise TypeError("a channel is switched on or off by true or false")
    return {name: bool(choices.get(name, False)) for name in ADDRESS_COLUMNS}
