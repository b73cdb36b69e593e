"""Made-up people and contests, the same for the same arguments, with what each job must count about them.

The counts are added up while the rows are made, not by asking the rows afterwards: tests compare them with what the
jobs report. Every age rule has rows planted on its boundary, a microsecond and a second to either side, and at the
ends of time. All addresses are under ``example.test``, all phone numbers in a range kept for fiction.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Engine, Table, func, select

from apps.codenotify.contest import Contest
from apps.codenotify.population import Person, make_person
from apps.codenotify.tables import contests, notifications, prepare, users
from apps.codenotify.world import World
from rota.messages import deliveries
from rota.recipes import writing

Size = Literal["small", "medium", "full"]
DISPATCH, CLEANUP = "codenotify/dispatch-notifications", "codenotify/cleanup-old-data"
DAILY, WEEKLY = "codenotify/send-daily-digests", "codenotify/send-weekly-digests"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
FOREVER = datetime(2099, 12, 31, tzinfo=UTC)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LEAP_DAY = datetime(2024, 2, 29, 12, tzinfo=UTC)
CHUNK = 2_000
HISTORY = 120 * DAY


@dataclass(frozen=True, slots=True)
class Scale:
    users: int
    contests: int
    notifications: int
    ahead: timedelta


SCALES: dict[Size, Scale] = {
    "small": Scale(50, 40, 120, 3 * 7 * DAY),
    "medium": Scale(2_000, 400, 6_000, 7 * 7 * DAY),
    "full": Scale(50_000, 1_000, 500_000, 7 * 7 * DAY),
}


@dataclass(slots=True)
class Dataset:
    """Rows by table, and the counts that each job must report, by job."""

    as_of: datetime
    world: World
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    oracle: dict[str, Counter[str]] = field(default_factory=dict)


def generate(size: Size = "small", *, seed: int = 42, as_of: datetime) -> Dataset:
    """The data set of ``size`` as of a moment; all of its dates are relative to it."""
    scale, chance = SCALES[size], random.Random(f"{seed}:{size}")
    data = Dataset(as_of, World(seed), oracle={name: Counter() for name in (DISPATCH, CLEANUP, DAILY, WEEKLY)})
    known = _contests(data, scale)
    people = [make_person(chance, number, as_of) for number in range(1, scale.users + 1)]
    data.tables["users"] = [person.columns for person in people]
    _count_people(data, people)
    _count_due(data, people, known)
    _notifications(data, scale, chance, known)
    _plant_contests(data)
    _plant_users(data)
    _plant_notifications(data)
    return data


def fill(
    engine: Engine,
    settings: object,
    size: Size = "small",
    *,
    seed: int = 42,
    as_of: datetime,
    progress: Callable[[int], None] = lambda _rows: None,
) -> dict[str, dict[str, int]]:
    """Into an empty database; returns what each job must count."""
    del settings
    data = generate(size, seed=seed, as_of=as_of)
    load(engine, data)
    progress(sum(map(len, data.tables.values())))
    return {job: dict(counts) for job, counts in data.oracle.items()}


def load(engine: Engine, data: Dataset, progress: Callable[[str, int], None] = lambda _table, _rows: None) -> None:
    """Make the tables and fill them; ``progress`` hears of each table when it is done."""
    prepare(engine)
    for table in (users, contests, notifications, deliveries):
        rows = data.tables[table.name]
        with writing(engine) as connection:
            for start in range(0, len(rows), CHUNK):
                connection.execute(table.insert(), rows[start : start + CHUNK])
        _move_sequence(engine, table)
        progress(table.name, len(rows))


def _move_sequence(engine: Engine, table: Table) -> None:
    """PostgreSQL does not notice that ids were given; SQLite does."""
    if engine.dialect.name != "postgresql":
        return
    with writing(engine) as connection:
        newest = select(func.coalesce(func.max(table.c.id), 1)).scalar_subquery()
        connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), newest)))


def _contests(data: Dataset, scale: Scale) -> list[Contest]:
    """The newest ones of the world, as they look at the moment: some moved, a few cancelled."""
    planned = data.world.between(data.as_of - 8 * 365 * DAY, data.as_of + scale.ahead)[-scale.contests :]
    rows, alive = [], []
    for number, contest in enumerate(planned, start=1):
        seen = data.world.as_seen(contest, data.as_of)
        now = seen or contest
        row = _contest_row(number, now, data.as_of, now.start_time > data.as_of)
        if seen is None:
            row |= {"is_active": False, "cancelled_at": min(now.start_time, data.as_of) - DAY, "missing_syncs": 2}
        elif seen.start_time != contest.start_time:
            row |= {"schedule_version": 2}
        rows.append(row)
        data.oracle[CLEANUP]["contests_deleted"] += now.end_time < data.as_of - 30 * DAY
        if seen is not None:
            alive.append(seen)
    data.tables["contests"] = rows
    return alive


def _contest_row(number: int, contest: Contest, as_of: datetime, upcoming: bool) -> dict[str, Any]:
    seen_at = min(contest.start_time - 14 * DAY, as_of - 6 * HOUR)
    ours = {"is_active": True, "schedule_version": 1, "missing_syncs": 0, "cancelled_at": None}
    synced = as_of - 6 * HOUR if upcoming else contest.end_time
    return contest.columns(as_of) | ours | {"id": number, "first_seen_at": seen_at, "last_synced_at": synced}


def _count_people(data: Dataset, people: Sequence[Person]) -> None:
    for person in people:
        data.oracle[CLEANUP]["users_deactivated"] += person.to_be_deactivated
        data.oracle[CLEANUP]["tokens_cleared"] += person.token_expired
        if person.listens:
            name = {"immediate": DISPATCH, "daily": DAILY, "weekly": WEEKLY}[person.columns["alert_frequency"]]
            data.oracle[name]["users_considered"] += 1


def _count_due(data: Dataset, people: Sequence[Person], known: Sequence[Contest]) -> None:
    """How many contests each person is to hear of now, from the leads at which the contests were placed."""
    leads = [(contest, contest.start_time - data.as_of) for contest in known]
    soon = [(contest, lead) for contest, lead in leads if timedelta(0) < lead <= 168.5 * HOUR]
    for person in people:
        if not person.listens:
            continue
        mine = [lead for contest, lead in soon if person.follows(contest)]
        match person.columns["alert_frequency"]:
            case "immediate":
                due = sum(lead <= (person.columns["notify_before_hours"] + 0.5) * HOUR for lead in mine)
                data.oracle[DISPATCH]["pairs_due"] += due
                data.oracle[DISPATCH]["no_channel"] += due if not person.reachable_on else 0
                data.oracle[DISPATCH]["sent"] += due * len(person.reachable_on)
            case "daily":
                data.oracle[DAILY]["sent"] += any(lead < DAY for lead in mine) * len(person.reachable_on)
            case _:
                data.oracle[WEEKLY]["sent"] += any(lead < 7 * DAY for lead in mine) * len(person.reachable_on)


def _notifications(data: Dataset, scale: Scale, chance: random.Random, known: Sequence[Contest]) -> None:
    """What was sent in the past: a row for each, 70 % of them read, and the ledger's row that goes with it."""
    past = [contest for contest in known if data.as_of - HISTORY < contest.start_time < data.as_of - 2 * DAY]
    made: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []
    seen: set[tuple[int, str]] = set()
    while len(made) < scale.notifications:
        user_id, contest = chance.randint(1, scale.users), chance.choice(past)
        if (user_id, contest.key) in seen:
            continue
        seen.add((user_id, contest.key))
        number, created = len(made) + 1, contest.start_time - DAY - SECOND * chance.randint(1, 1_000)
        read = chance.random() < 0.7
        made.append(
            _notification(number, user_id, contest.key, contest.name, created, created + HOUR if read else None)
        )
        sent.append(_delivery(number, made[-1], contest))
        goes = read and created < data.as_of - 90 * DAY
        data.oracle[CLEANUP]["notifications_deleted"] += goes
        data.oracle[CLEANUP]["deliveries_deleted"] += goes
    data.tables["notifications"], data.tables[deliveries.name] = made, sent


def _notification(
    number: int, user_id: int, key: str, name: str, created: datetime, read_at: datetime | None
) -> dict[str, Any]:
    return {
        "id": number,
        "user_id": user_id,
        "contest_id": None,
        "contest_key": key,
        "kind": "reminder",
        "schedule_version": 1,
        "type": "CONTEST_REMINDER",
        "title": name,
        "message": name,
        "payload": {"name": name, "start_time": created.isoformat()},
        "created_at": created,
        "read_at": read_at,
        "expires_at": created + 90 * DAY,
        "start_time": None,
    }


def _delivery(number: int, notification: dict[str, Any], contest: Contest) -> dict[str, Any]:
    at = notification["created_at"]
    return {
        "id": number,
        "recipient": str(notification["user_id"]),
        "subject": contest.key,
        "kind": "reminder",
        "version": "1",
        "channel": "email",
        "status": "sent",
        "priority": 0,
        "attempts": 1,
        "created_at": at,
        "next_try_at": at,
        "useful_until": contest.start_time,
        "provider_id": f"<cn.{number}@codenotify.example>",
        "ended_at": at,
    }


def _plant_contests(data: Dataset) -> None:
    """Ends around the 30 days; one far ahead is hidden, so that no sync takes it for cancelled."""
    cutoff = data.as_of - 30 * DAY
    plants = [(cutoff, 0), (cutoff + SECOND, 0), (cutoff - SECOND, 1), (cutoff - MICROSECOND, 1)]
    plants += [(BEGINNING + 2 * HOUR, 1), (LEAP_DAY, int(cutoff > LEAP_DAY)), (FOREVER, 0)]
    rows = data.tables["contests"]
    for number, (end, goes) in enumerate(plants):
        contest = Contest(
            platform="codechef",
            platform_id=f"PLANT{number}",
            name=f"Planted {number}",
            type="OTHER",
            start_time=end - 2 * HOUR,
            end_time=end,
            duration_minutes=120,
            website_url=f"https://www.codechef.com/PLANT{number}",
        )
        rows.append(_contest_row(len(rows) + 1, contest, data.as_of, False) | {"is_active": end != FOREVER})
        data.oracle[CLEANUP]["contests_deleted"] += goes


def _plant_users(data: Dataset) -> None:
    """Last logins around the 180 days, and token expiries around now; none of them can be written to."""
    as_of, cutoff = data.as_of, data.as_of - 180 * DAY
    logins: list[tuple[dict[str, Any], int]] = [
        ({"last_login_at": cutoff}, 0),
        ({"last_login_at": cutoff + SECOND}, 0),
        ({"last_login_at": cutoff - SECOND}, 1),
        ({"last_login_at": cutoff - MICROSECOND}, 1),
        ({"last_login_at": BEGINNING}, 1),
        ({"last_login_at": FOREVER}, 0),
        ({"created_at": cutoff}, 0),
        ({"created_at": cutoff - MICROSECOND}, 1),
        ({"last_login_at": BEGINNING, "last_active_at": as_of}, 0),
        ({"last_login_at": BEGINNING, "role": "admin"}, 0),
    ]
    tokens: list[tuple[dict[str, Any], int]] = [
        ({"refresh_token_expires_at": as_of}, 0),
        ({"refresh_token_expires_at": as_of + SECOND}, 0),
        ({"refresh_token_expires_at": as_of - SECOND}, 1),
        ({"refresh_token_expires_at": as_of - MICROSECOND}, 1),
        ({"refresh_token_expires_at": BEGINNING}, 1),
        ({"last_login_at": as_of - 7 * DAY}, 0),
        ({"last_login_at": as_of - 7 * DAY - MICROSECOND}, 1),
    ]
    for columns, goes in logins:
        _plant_user(data, columns)
        data.oracle[CLEANUP]["users_deactivated"] += goes
    for columns, goes in tokens:
        _plant_user(data, {"last_login_at": as_of - DAY, "refresh_token_hash": "planted"} | columns)
        data.oracle[CLEANUP]["tokens_cleared"] += goes


def _plant_user(data: Dataset, columns: dict[str, Any]) -> None:
    people = data.tables["users"]
    row = dict.fromkeys(people[0]) | {
        "id": len(people) + 1,
        "email": f"plant{len(people)}@example.test",
        "name": "Planted",
        "role": "user",
        "is_active": True,
        "is_email_verified": False,
        "platforms": [],
        "contest_types": [],
        "alert_frequency": "immediate",
        "channels": {},
        "notify_before_hours": 24,
        "time_zone": "UTC",
        "created_at": data.as_of - 170 * DAY,
    }
    people.append(row | columns)


def _plant_notifications(data: Dataset) -> None:
    cutoff, as_of = data.as_of - 90 * DAY, data.as_of
    plants: list[tuple[datetime, datetime | None, int]] = [
        (cutoff, as_of, 0),
        (cutoff + SECOND, as_of, 0),
        (cutoff - SECOND, as_of, 1),
        (cutoff - MICROSECOND, as_of, 1),
        (BEGINNING, as_of, 1),
        (as_of - 120 * DAY, None, 0),
        (BEGINNING, None, 0),
    ]
    made = data.tables["notifications"]
    for number, (created, read_at, goes) in enumerate(plants):
        made.append(_notification(len(made) + 1, 1, f"planted:{number}", "Planted", created, read_at))
        data.oracle[CLEANUP]["notifications_deleted"] += goes
