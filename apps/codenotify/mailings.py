"""Each kind of message: who is due it, and what must still hold when it leaves.

A reminder is due from the tick whose lead is at most N hours and a half, until the start: nobody is told later than
they asked, and a tick that was missed, or a contest found late, only makes it later, never lost. The other kinds follow
from what a person was told last: another start, a contest that is gone, one that is back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    literal,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.selectable import NamedFromClause

from apps.codenotify import inbox
from apps.codenotify.letters import letter
from apps.codenotify.people import INACTIVE_AFTER, last_activity
from apps.codenotify.services import Services
from apps.codenotify.settings import Settings
from apps.codenotify.tables import contests, users
from apps.codenotify.wishes import (
    MOST_HOURS,
    TICK,
    address,
    follows,
    hours,
    lead_within,
    listens,
    reachable,
    to_come,
    wants,
)
from apps.database import HOUR_US, Instant, UtcDate
from rota.messages import Mailing, deliveries, moment
from rota.messages.tables import as_instant

if TYPE_CHECKING:
    from rota import Run

RETRY_FACTOR = 3
DOUBLED = "told by the notice of the new time"
LENGTHS = {"daily": (timedelta(hours=24), "24 hours"), "weekly": (timedelta(hours=168), "7 days")}
WARNED_AFTER = timedelta(days=166)
Facts = dict[str, Any]
Complete = Callable[[Connection, Sequence[Facts]], None]
_user, _contest, _row = users.c, contests.c, deliveries.c
_FACTS = ("platform", "type", "name", "start_time", "duration_minutes", "website_url", "registration_url")


def delays(settings: Settings) -> list[timedelta]:
    """The wait after each try but the last."""
    first = timedelta(minutes=settings.retry_delay_minutes)
    return [first * RETRY_FACTOR**n for n in range(settings.max_attempts - 1)]


def of_contests(services: Services, kind: str) -> Mailing:
    """``reminder``, ``rescheduled``, ``cancelled`` or ``reinstated``."""
    due = _DUE[kind]
    return _mailing(
        services,
        kind,
        lambda run: due(run.as_of, list(services.senders)),
        partial(_look_at_contest, kind, list(services.senders)),
        _contest_facts,
        about=_contest.contest_key,
        coalesce=services.settings.coalesce_min if kind == "reminder" else None,
    )


def digests(services: Services, frequency: str = "daily") -> Mailing:
    """Of the period that begins when the run is due, however late it runs."""
    channels = list(services.senders)
    return _mailing(
        services,
        "digest",
        lambda run: digests_due(run.due_at, frequency, channels),
        lambda _: _look_at_person(channels).add_columns(_row.useful_until.label("period_end")),
        _digest_facts,
    )


def warnings(services: Services) -> Mailing:
    """Before an account goes quiet."""
    return _mailing(
        services,
        "inactive",
        lambda run: warnings_due(run.as_of),
        _look_at_stretch,
        lambda _connection, _facts: None,
        channels={"email": services.senders["email"]},
    )


def all_kinds(services: Services) -> list[Mailing]:
    return [*(of_contests(services, kind) for kind in _DUE), digests(services), warnings(services)]


def _mailing(
    services: Services,
    kind: str,
    plan: Callable[[Run], Select[Any]],
    look: Callable[[datetime], Select[Any]],
    find: Complete,
    **options: Any,
) -> Mailing:
    def complete(connection: Connection, facts: Sequence[Facts]) -> None:
        find(connection, facts)
        inbox.note(connection, kind, facts)

    given = {"channels": services.senders, "goes_on": False} | options  # retry-failed-deliveries does
    return Mailing(
        kind=kind,
        plan=plan,
        to=_user.id,
        look=look,
        complete=complete,
        render=letter(services.settings, kind),
        retry=delays(services.settings),
        key=lambda row: f"cn:{row.id}",
        now=services.now,
        **given,
    )


# --- due


def pairs(as_of: datetime) -> Select[Any]:
    """The (user, contest) pairs whose reminder is due, told or not."""
    due = and_(wants("immediate"), follows(), to_come(as_of), lead_within(as_of, TICK))
    return select(_user.id, _contest.id).join_from(contests, users, and_(_in_reach(as_of), due))


def _in_reach(as_of: datetime) -> ColumnElement[bool]:
    return _contest.start_time <= as_of + timedelta(hours=MOST_HOURS) + TICK


def _channel_table(channels: Sequence[str]) -> NamedFromClause:
    return union_all(*(select(literal(name, Text).label("name")) for name in channels)).subquery("channel")


def reminders(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """Where a notice of a new time left when the contest was as near as the person likes, it was the reminder."""
    channel = _channel_table(channels)
    notice = deliveries.alias("notice")
    near = type_coerce(as_instant(_contest.start_time), BigInteger) - type_coerce(notice.c.created_at, BigInteger)
    doubled = exists().where(
        notice.c.recipient == cast(_user.id, Text),
        notice.c.subject == _contest.contest_key,
        notice.c.kind.in_(("rescheduled", "reinstated")),
        notice.c.version == cast(_contest.schedule_version, Text),
        notice.c.channel == channel.c.name,
        notice.c.status != "failed",
        near <= hours * literal(HOUR_US, BigInteger) + literal(TICK // timedelta.resolution, BigInteger),
    )
    who = and_(wants("immediate"), follows(), lead_within(as_of, TICK), ~inbox.was_reminded_of_this_start())
    reason = case((doubled, DOUBLED), else_=null())
    return _rows(and_(to_come(as_of), _in_reach(as_of), who), channel, channels).add_columns(reason.label("reason"))


def rescheduled(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """People who were told a start that no longer holds, and not yet the one that does."""
    version, told = _contest.schedule_version, deliveries.alias("told_now")
    told_now = exists().where(
        told.c.recipient == cast(_user.id, Text),
        told.c.subject == _contest.contest_key,
        told.c.kind.in_(("reminder", "reinstated")),
        told.c.version == cast(version, Text),
    )
    of_old = and_(inbox.told_start(before=version) != as_instant(_contest.start_time), inbox.last_kind() != "cancelled")
    which = and_(to_come(as_of), version > 1, listens(), of_old, ~told_now)
    return _rows(which, _channel_table(channels), channels)


def cancelled(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """People who were told of a contest that will not take place."""
    gone = and_(_contest.cancelled_at.is_not(None), _contest.start_time > as_of)
    which = and_(gone, listens(), inbox.last_kind() != "cancelled")
    return _rows(which, _channel_table(channels), channels)


def reinstated(as_of: datetime, channels: Sequence[str]) -> Select[Any]:
    """People who were told that a contest is cancelled, which is back."""
    which = and_(to_come(as_of), listens(), inbox.last_kind() == "cancelled")
    return _rows(which, _channel_table(channels), channels)


_DUE: Mapping[str, Callable[[datetime, Sequence[str]], Select[Any]]] = {
    "cancelled": cancelled,
    "reinstated": reinstated,
    "rescheduled": rescheduled,
    "reminder": reminders,
}
"""In the order in which they are sent: a reminder follows from the notices before it."""


def _rows(which: ColumnElement[bool], channel: NamedFromClause, channels: Sequence[str]) -> Select[Any]:
    return (
        select(
            _user.id.label("recipient"),
            _contest.contest_key.label("subject"),
            cast(_contest.schedule_version, Text).label("version"),
            channel.c.name.label("channel"),
            _contest.start_time.label("useful_until"),
        )
        .select_from(contests)
        .join(users, which)
        .join(channel, reachable(channel.c.name, channels))
    )


def digests_due(start: datetime, frequency: str, channels: Sequence[str]) -> Select[Any]:
    """People with something to read."""
    channel, end = _channel_table(channels), start + LENGTHS[frequency][0]
    held = and_(_contest.start_time >= start, _contest.start_time < end)
    something = exists().where(to_come(start - timedelta.resolution), held, follows()).correlate(users)
    return (
        select(
            _user.id.label("recipient"),
            literal(frequency, Text).label("subject"),
            literal(f"{start:%Y-%m-%d}", Text).label("version"),
            channel.c.name.label("channel"),
            moment(end).label("useful_until"),
        )
        .select_from(users)
        .join(channel, reachable(channel.c.name, channels))
        .where(wants(frequency), something)
    )


def warnings_due(as_of: datetime) -> Select[Any]:
    """At exactly 180 days nobody is warned: the date that the mail would tell is now. The version is the date on which
    somebody was last here: so there is one mail for each time that a person stays away."""
    soon = and_(last_activity() < as_of - WARNED_AFTER, last_activity() > as_of - INACTIVE_AFTER)
    return select(
        _user.id.label("recipient"),
        literal("inactive", Text).label("subject"),
        UtcDate(as_instant(last_activity())).label("version"),
        literal("email", Text).label("channel"),
        _quiet_from().label("useful_until"),
    ).where(listens(), _user.role == "user", reachable(literal("email", Text), ["email"]), soon)


def _quiet_from() -> ColumnElement[Any]:
    moved = type_coerce(as_instant(last_activity()), BigInteger) + literal(
        INACTIVE_AFTER // timedelta.resolution, BigInteger
    )
    return type_coerce(moved, Instant())


# --- the last look


def _look_at_person(channels: Sequence[str], *stale: ColumnElement[bool]) -> Select[Any]:
    unwanted = or_(~listens(), ~reachable(_row.channel, channels))
    cancel = case((unwanted, "opted_out"), *((condition, "stale") for condition in stale), else_=null())
    addresses = (address(name).label(name) for name in channels)
    return select(
        _user.id.label("user_id"), _user.name, _user.time_zone.label("zone"), *addresses, cancel.label("cancel")
    )


def _look_at_contest(kind: str, channels: Sequence[str], now: datetime) -> Select[Any]:
    if kind == "cancelled":
        untrue, old = _contest.cancelled_at.is_(None), inbox.told_start()
    else:
        other = cast(_contest.schedule_version, Text) != _row.version
        untrue = or_(_contest.cancelled_at.is_not(None), ~_contest.is_active, other)
        old = inbox.told_start(before=_contest.schedule_version)
    facts = (_contest[name].label(f"contest_{name}") for name in _FACTS)
    person = _look_at_person(channels, or_(_contest.start_time <= now, untrue))
    return person.add_columns(*facts, _contest.id.label("contest_id"), _contest.end_time, old.label("old_start"))


def _contest_facts(_connection: Connection, facts: Sequence[Facts]) -> None:
    for each in facts:
        each["contest"] = {name: each.pop(f"contest_{name}") for name in _FACTS}
        each["old_start"] = each["old_start"] or each["contest"]["start_time"]


def _digest_facts(connection: Connection, facts: Sequence[Facts]) -> None:
    """What has begun meanwhile is left out; who has nothing to read gets nothing."""
    for each in facts:
        length, words = LENGTHS[each["message"].subject]
        each |= {"length": words, "period_start": each["period_end"] - length}
    if not facts:
        return
    latest, people = max(each["period_end"] for each in facts), {each["user_id"] for each in facts}
    columns = (_contest[name] for name in _FACTS)
    query = select(_user.id.label("reader"), *columns).join_from(users, contests, follows())
    query = query.where(_user.id.in_(people), to_come(facts[0]["now"]), _contest.start_time < latest)
    found: dict[Any, list[Mapping[str, Any]]] = {}
    for row in connection.execute(query.order_by(_contest.start_time, _contest.id)).mappings():
        found.setdefault(row["reader"], []).append(row)
    for each in facts:
        start, end = each["period_start"], each["period_end"]
        each["contests"] = [row for row in found.get(each["user_id"], ()) if start <= row["start_time"] < end]
        each["cancel"] = each["cancel"] or (None if each["contests"] else "stale")


def _look_at_stretch(now: datetime) -> Select[Any]:
    """Whether the inactivity that a warning is about has ended: by the person, by their role, or by its time."""
    over = or_(UtcDate(as_instant(last_activity())) != _row.version, _user.role != "user", _row.useful_until <= now)
    facts = (
        _row.useful_until.label("quiet_from"),
        type_coerce(last_activity(), _user.created_at.type).label("last_seen"),
    )
    return _look_at_person(["email"], over).add_columns(*facts)
