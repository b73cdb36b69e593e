"""Short ways to say what a test is about: a contest, a person, a run, a look into the tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Table, func, select, update

from apps.codenotify.contest import Contest
from apps.codenotify.services import Services
from apps.codenotify.tables import contests, metadata, notifications, users
from apps.codenotify.world import plan
from rota.messages import deliveries
from rota.messages.tables import metadata as messages
from rota.messages.tables import senders
from rota.recipes import reading, writing

NOW = datetime(2026, 8, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class WallClock:
    """The application's wall clock, moved by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def announce(platform_id: str = "2261", start: datetime = NOW + DAY, **changes: Any) -> Contest:
    """A Codeforces round of two hours, unless said otherwise."""
    platform = changes.pop("platform", "codeforces")
    kind = changes.pop("type", {"codeforces": "CF", "leetcode": "WEEKLY", "codechef": "STARTERS"}.get(platform, "ABC"))
    return plan(
        platform,
        platform_id,
        changes.pop("name", f"Round {platform_id}"),
        kind,
        start,
        changes.pop("minutes", 120),
    )


def add_contest(services: Services, contest: Contest, **columns: Any) -> int:
    """Stores a contest as a sync at ``NOW`` would have; returns its id."""
    row = contest.columns(NOW) | {
        "is_active": True,
        "schedule_version": 1,
        "missing_syncs": 0,
        "first_seen_at": NOW,
        "last_synced_at": NOW,
    }
    with writing(services.engine) as connection:
        key = connection.execute(contests.insert().values(row | columns)).inserted_primary_key
    return int(key[0])


def move_contest(services: Services, contest_id: int, start: datetime) -> None:
    """As a sync does when the start has moved far: a new version."""
    row = contests.c
    values = {"start_time": start, "end_time": start + 2 * HOUR, "schedule_version": row.schedule_version + 1}
    with writing(services.engine) as connection:
        connection.execute(update(contests).where(row.id == contest_id).values(values))


def add_user(services: Services, name: str = "ada", **columns: Any) -> int:
    """Somebody verified who wants a mail 24 h before every Codeforces contest, unless said otherwise."""
    with writing(services.engine) as connection:
        key = connection.execute(users.insert().values(_user(name) | columns)).inserted_primary_key
    return int(key[0])


def _user(name: str) -> dict[str, Any]:
    return {
        "email": f"{name}@example.test",
        "name": name.title(),
        "role": "user",
        "is_active": True,
        "is_email_verified": True,
        "platforms": ["codeforces"],
        "contest_types": [],
        "alert_frequency": "immediate",
        "channels": {"email": True},
        "notify_before_hours": 24,
        "time_zone": "UTC",
        "created_at": NOW - 30 * DAY,
    }


def add_users(services: Services, number: int, **columns: Any) -> None:
    """So many as ``add_user`` adds, in one statement: user0, user1, …, each with a phone and a push token."""
    rows = [
        _user(f"user{each}") | {"phone": f"+1555{each:04}", "push_token": f"token{each}"} | columns
        for each in range(number)
    ]
    with writing(services.engine) as connection:
        connection.execute(users.insert(), rows)


def change_user(services: Services, user_id: int, **columns: Any) -> None:
    with writing(services.engine) as connection:
        connection.execute(update(users).where(users.c.id == user_id).values(columns))


def change_contest(services: Services, contest_id: int, **columns: Any) -> None:
    with writing(services.engine) as connection:
        connection.execute(update(contests).where(contests.c.id == contest_id).values(columns))


def rows(services: Services, table: Table) -> list[Any]:
    with reading(services.engine) as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def count(services: Services, table: Table) -> int:
    with reading(services.engine) as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def contest_of(services: Services, platform_id: str) -> Any:
    (row,) = (row for row in rows(services, contests) if row.platform_id == platform_id)
    return row


def ledger(services: Services) -> list[tuple[str, int, str, str]]:
    """Kind, version, channel and status of every ledger row."""
    return [(*_named(row), row.channel, row.status) for row in rows(services, deliveries)]


def _named(row: Any) -> tuple[str, int]:
    """A digest and a warning have a date for a version."""
    return (f"{row.kind}:{row.version}", 1) if row.version.count("-") else (row.kind, int(row.version))


def statuses(services: Services) -> list[str]:
    return [row.status for row in rows(services, deliveries)]


def mend(services: Services) -> None:
    """The breakers' time is over, and what senders asked for: they go by the database's clock."""
    with writing(services.engine) as connection:
        connection.execute(senders.delete())


def inbox(services: Services) -> list[Any]:
    return rows(services, notifications)


def dump(engine: Engine) -> Mapping[str, list[Any]]:
    """Everything in the database, to be compared with itself."""
    with reading(engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in (*metadata.sorted_tables, *messages.sorted_tables)
        }
