"""What happened on the platform in a period: the reports of the week and the month, and the figures of the hour."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from apps.learn.cut import graded
from apps.learn.tables import (
    analytics_events,
    courses,
    discussion_posts,
    enrollments,
    payments,
    quiz_submissions,
    refunds,
    users,
)
from apps.numbers import mean, percent, rounded
from rota.recipes import Period

TOP = 10
TOP_OF_THE_MONTH = 5
STEADY = 0.1
"""A slope below it, in events a day, is neither up nor down."""
MOMENTS: Mapping[str, ColumnElement[Any]] = {
    "enrollments": enrollments.c.enrolled_at,
    "completions": enrollments.c.completed_at,
    "quiz_attempts": quiz_submissions.c.submitted_at,
    "discussion_posts": discussion_posts.c.created_at,
}


def within(moment: ColumnElement[Any], period: Period) -> ColumnElement[bool]:
    return and_(moment >= period.start, moment < period.end)


def before(period: Period) -> Period:
    """As long, and right before."""
    return Period(period.start - (period.end - period.start), period.start)


def trends(connection: Connection, period: Period) -> Mapping[str, Any]:
    """Seven whole days, each metric day by day, against the seven before."""
    found: dict[str, Any] = {name: _trend(connection, moment, period) for name, moment in MOMENTS.items()}
    row = enrollments.c
    top = (
        select(row.course_id, courses.c.title, courses.c.deleted_at, func.count().label("count"))
        .outerjoin(courses, courses.c.id == row.course_id)
        .where(within(row.enrolled_at, period))
        .group_by(row.course_id, courses.c.title, courses.c.deleted_at)
        .order_by(func.count().desc(), row.course_id)
        .limit(TOP)
    )
    found["top_courses"] = [
        {"course_id": each.course_id, "title": _title(each), "enrollments": each.count}
        for each in connection.execute(top)
    ]
    return found


def _trend(connection: Connection, moment: ColumnElement[Any], period: Period) -> dict[str, Any]:
    daily = [0] * round(period.days)
    for (at,) in connection.execute(select(moment).where(within(moment, period))):
        daily[(at - period.start) // timedelta(days=1)] += 1
    previous = _count(connection, moment, before(period))
    slope = _slope(daily)
    return {
        "daily": daily,
        "total": sum(daily),
        "previous_total": previous,
        "period_change_pct": growth(sum(daily), previous),
        "first_last_change_pct": growth(daily[-1], daily[0]),
        "slope": round(slope, 4),
        "direction": "stable" if abs(slope) < STEADY else "up" if slope > 0 else "down",
        "peak_day": (period.start + timedelta(days=daily.index(max(daily)))).date().isoformat() if any(daily) else None,
    }


def growth(now: float | Decimal, then: float | Decimal) -> float:
    """In percent; from nothing to something is 100."""
    if not then:
        return 100.0 if now else 0.0
    return float(rounded((Decimal(now) - Decimal(then)) * 100 / abs(Decimal(then)), 2))


def _slope(daily: Sequence[int]) -> float:
    """Of the line through the days with the least squares."""
    middle, average = (len(daily) - 1) / 2, sum(daily) / len(daily)
    spread = sum((day - middle) ** 2 for day in range(len(daily)))
    return sum((day - middle) * (count - average) for day, count in enumerate(daily)) / spread if spread else 0.0


def _count(connection: Connection, moment: ColumnElement[Any], period: Period, *such: ColumnElement[bool]) -> int:
    return int(connection.scalar(select(func.count()).where(within(moment, period), *such)) or 0)


def summary(connection: Connection, period: Period) -> Mapping[str, Any]:
    """A month, against the one before; months differ in length, so there are averages by the day as well."""
    earlier = Period(_month_before(period.start), period.start)
    now, then = _month(connection, period), _month(connection, earlier)
    numbers = {name: value for name, value in now.items() if isinstance(value, (int, Decimal))}
    return {
        **now,
        "per_day": {name: float(rounded(Decimal(value) / Decimal(period.days), 2)) for name, value in numbers.items()},
        "mom_change_pct": {name: growth(value, then[name] or 0) for name, value in numbers.items()},
        "previous": then,
        **_best(connection, period),
    }


def _month_before(start: datetime) -> datetime:
    return (start - timedelta(days=1)).replace(day=1)


def _month(connection: Connection, period: Period) -> dict[str, Any]:
    row, quiz = enrollments.c, quiz_submissions.c
    new = _count(connection, row.enrolled_at, period)
    ended = _count(connection, row.enrolled_at, period, row.completed_at.is_not(None), row.completed_at < period.end)
    scores = select(quiz.score_percentage).where(within(quiz.submitted_at, period), graded(period.end))
    events = analytics_events.c
    return {
        "new_students": _count(connection, users.c.created_at, period, users.c.role == "student"),
        "active_students": int(
            connection.scalar(select(func.count(events.user_id.distinct())).where(within(events.timestamp, period)))
            or 0
        ),
        "new_courses": _count(connection, courses.c.published_at, period),
        "enrollments": new,
        "completions": _count(connection, row.completed_at, period),
        "completion_rate": percent(ended, new),
        "quiz_attempts": _count(connection, quiz.submitted_at, period),
        "avg_quiz": mean(list(connection.scalars(scores))),
        "discussion_posts": _count(connection, discussion_posts.c.created_at, period),
        "revenue": {
            currency: {"gross": str(gross), "refunds": str(back), "net": str(gross - back)}
            for currency, (gross, back) in sorted(_money(connection, period).items())
        },
    }


def _money(connection: Connection, period: Period) -> dict[str, tuple[Decimal, Decimal]]:
    """By currency: what was paid, and what was paid back, each by its own date."""
    paid, back = (
        select(table.c.currency, table.c.amount).where(
            table.c.status == "succeeded", within(table.c.created_at, period)
        )
        for table in (payments, refunds)
    )
    gross, returned = _sums(connection.execute(paid)), _sums(connection.execute(back))
    return {
        currency: (rounded(gross.get(currency, Decimal(0)), 2), rounded(returned.get(currency, Decimal(0)), 2))
        for currency in {*gross, *returned}
    }


def _sums(rows: Iterable[Any]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in rows:
        found[currency] += amount
    return found


def _best(connection: Connection, period: Period) -> dict[str, Any]:
    """Courses by completions, and by what they earned in each currency."""
    done = Counter(
        connection.scalars(select(enrollments.c.course_id).where(within(enrollments.c.completed_at, period))).all()
    )
    net: dict[str, dict[Any, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    pay = payments.c
    took = select(pay.course_id, pay.currency, pay.amount).where(
        pay.status == "succeeded", within(pay.created_at, period)
    )
    gave = (
        select(pay.course_id, refunds.c.currency, refunds.c.amount)
        .join(payments, pay.id == refunds.c.payment_id)
        .where(refunds.c.status == "succeeded", within(refunds.c.created_at, period))
    )
    for sign, statement in ((1, took), (-1, gave)):
        for course, currency, amount in connection.execute(statement):
            net[currency][course] += sign * amount
    titles = _titles(connection, {*done, *(course for each in net.values() for course in each)})

    def top(values: Mapping[Any, Any], name: str, show: Callable[[Any], Any]) -> list[dict[str, Any]]:
        ordered = sorted(values.items(), key=lambda item: (-item[1], str(item[0])))[:TOP_OF_THE_MONTH]
        return [{"course_id": course, "title": titles.get(course), name: show(value)} for course, value in ordered]

    return {
        "top_by_completions": top(done, "completions", int),
        "top_by_revenue": {
            currency: top(each, "net", lambda value: str(rounded(value, 2))) for currency, each in sorted(net.items())
        },
    }


def _titles(connection: Connection, ids: Iterable[Any]) -> dict[Any, str]:
    found = select(courses.c.id, courses.c.title, courses.c.deleted_at).where(courses.c.id.in_(list(ids)))
    return {each.id: _title(each) for each in connection.execute(found)}


def _title(row: Any) -> str:
    """A course that was deleted still counts, and says so."""
    return f"{row.title} (deleted)" if row.deleted_at is not None or row.title is None else str(row.title)


def hour(connection: Connection, period: Period) -> dict[str, int]:
    events = analytics_events.c
    active = select(func.count(events.user_id.distinct())).where(within(events.timestamp, period))
    counts = {name: _count(connection, moment, period) for name, moment in MOMENTS.items()}
    counts["posts"], counts["quiz_submissions"] = counts.pop("discussion_posts"), counts.pop("quiz_attempts")
    return {"active_users": int(connection.scalar(active) or 0), **counts}


def utc_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
