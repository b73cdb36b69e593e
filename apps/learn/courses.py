"""What is kept of each course: who takes it, who ends it, what it earns, and where it is hardest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, case, func, select

from apps.learn.cut import active, completed, graded
from apps.learn.kept import keep
from apps.learn.tables import (
    course_analytics,
    courses,
    discussion_posts,
    enrollments,
    lesson_progress,
    lessons,
    payments,
    quiz_submissions,
    refunds,
)
from apps.numbers import mean, percent, rounded

LEARNERS = 5
"""A lesson of fewer says nothing about its difficulty."""
NO_QUIZ = Decimal(75)
DAY = Decimal(int(timedelta(days=1) / timedelta(microseconds=1)))


def update_courses(connection: Connection, ids: Sequence[Any], cut: datetime, now: datetime) -> Mapping[str, int]:
    taken, money, hardest = (
        _enrollments(connection, ids, cut),
        _revenue(connection, ids, cut),
        _hardest(connection, ids, cut),
    )
    ratings = dict(
        connection.execute(select(courses.c.id, courses.c.average_rating).where(courses.c.id.in_(ids))).all()
    )
    posts = _posts(connection, ids, cut)
    rows = [
        {
            "course_id": course,
            **taken.get(course, _NOBODY),
            "average_rating": ratings[course],
            "total_revenue": {currency: str(rounded(sum_, 2)) for currency, sum_ in sorted(money[course].items())},
            "most_difficult_lesson_id": hardest.get(course),
            "engagement_metrics": {"discussion_posts": posts.get(course, 0)},
        }
        for course in ids
    ]
    return {"courses_processed": len(ids), "courses_changed": keep(connection, course_analytics, rows, now)}


_NOBODY: Mapping[str, Any] = {
    "total_enrollments": 0,
    "active_enrollments": 0,
    "completion_count": 0,
    "completion_rate": Decimal("0.00"),
    "dropout_rate": Decimal("0.00"),
    "average_time_to_completion_days": None,
}


def _enrollments(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, dict[str, Any]]:
    row = enrollments.c
    done, on = completed(cut), active(cut)
    found = connection.execute(
        select(
            row.course_id,
            func.count(),
            func.sum(case((on, 1), else_=0)),
            func.sum(case((done, 1), else_=0)),
        )
        .where(row.course_id.in_(ids), row.enrolled_at < cut)
        .group_by(row.course_id)
    )
    lengths: dict[Any, list[Decimal]] = defaultdict(list)
    ended = select(row.course_id, row.enrolled_at, row.completed_at).where(
        row.course_id.in_(ids), row.enrolled_at < cut, done
    )
    for course, began, end in connection.execute(ended):
        lengths[course].append(Decimal((end - began) // timedelta(microseconds=1)) / DAY)
    return {
        course: {
            "total_enrollments": total,
            "active_enrollments": still,
            "completion_count": over,
            "completion_rate": percent(over, total),
            "dropout_rate": percent(max(0, total - still - over), total),
            "average_time_to_completion_days": mean(lengths[course]),
        }
        for course, total, still, over in found
    }


def _revenue(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, dict[str, Decimal]]:
    """Each currency by itself: what was paid, less what was paid back in it."""
    found: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    paid = select(payments.c.course_id, payments.c.currency, payments.c.amount).where(
        payments.c.course_id.in_(ids), payments.c.status == "succeeded", payments.c.created_at < cut
    )
    back = (
        select(payments.c.course_id, refunds.c.currency, refunds.c.amount)
        .join(payments, payments.c.id == refunds.c.payment_id)
        .where(payments.c.course_id.in_(ids), refunds.c.status == "succeeded", refunds.c.created_at < cut)
    )
    for sign, statement in ((1, paid), (-1, back)):
        for course, currency, amount in connection.execute(statement):
            found[course][currency] += sign * amount
    return found


def _hardest(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, Any]:
    """The lesson of each course that the fewest end, and the fewest do well in."""
    row = lesson_progress.c
    done = case((row.completed_at < cut, 1), else_=0)
    learners = connection.execute(
        select(lessons.c.course_id, lessons.c.position, lessons.c.id, func.count(), func.sum(done))
        .join(lesson_progress, row.lesson_id == lessons.c.id)
        .where(lessons.c.course_id.in_(ids))
        .group_by(lessons.c.course_id, lessons.c.position, lessons.c.id)
        .having(func.count() >= LEARNERS)
    ).all()
    marks = _marks(connection, [lesson for _, _, lesson, _, _ in learners], cut)
    best: dict[Any, tuple[Decimal, int, Any]] = {}
    for course, position, lesson, count, ended in sorted(learners, key=lambda each: (each[1], str(each[2]))):
        score = (
            Decimal(6) * (100 - Decimal(ended) * 100 / count) + Decimal(4) * (100 - marks.get(lesson, NO_QUIZ))
        ) / 10
        if course not in best or score > best[course][0]:
            best[course] = (score, position, lesson)
    return {course: lesson for course, (_, _, lesson) in best.items()}


def _marks(connection: Connection, ids: Iterable[Any], cut: datetime) -> dict[Any, Decimal]:
    scores: dict[Any, list[Decimal]] = defaultdict(list)
    row = quiz_submissions.c
    for lesson, score in connection.execute(
        select(row.lesson_id, row.score_percentage).where(row.lesson_id.in_(list(ids)), graded(cut))
    ):
        scores[lesson].append(score)
    return {lesson: sum(each, Decimal(0)) / len(each) for lesson, each in scores.items()}


def _posts(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, int]:
    row = discussion_posts.c
    found = (
        select(row.course_id, func.count()).where(row.course_id.in_(ids), row.created_at < cut).group_by(row.course_id)
    )
    return {course: count for course, count in connection.execute(found)}
