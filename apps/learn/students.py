"""What is kept of each student: courses, marks, time, days in a row, badges, and how much he takes part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from apps.learn.cut import active, completed, day_of, graded, streaks
from apps.learn.kept import keep
from apps.learn.tables import (
    assignment_submissions,
    discussion_posts,
    enrollments,
    lesson_progress,
    lessons,
    quiz_submissions,
    student_analytics,
)
from apps.numbers import mean, rounded

RECENT = timedelta(days=30)


@dataclass(slots=True)
class _Done:
    """What a student has done before the cut; counts are of the last 30 days."""

    days: set[datetime] = field(default_factory=set)
    recent_days: set[datetime] = field(default_factory=set)
    posts: int = 0
    assignments: int = 0
    quizzes: int = 0
    video_seconds: int = 0


def update_students(connection: Connection, ids: Sequence[Any], cut: datetime, now: datetime) -> Mapping[str, int]:
    row = student_analytics.c
    stored = {
        each.user_id: each
        for each in connection.execute(
            select(row.user_id, row.longest_streak_days, row.badges_earned).where(row.user_id.in_(ids))
        )
    }
    courses, marks, minutes = (
        _courses(connection, ids, cut),
        _marks(connection, ids, cut),
        _minutes(connection, ids, cut),
    )
    done = _activities(connection, ids, cut)
    rows, awarded = [], 0
    for student in ids:
        total, over, on = courses.get(student, (0, 0, 0))
        current, longest = streaks(done[student].days, cut)
        before = stored.get(student)
        longest = max(longest, before.longest_streak_days if before else 0)
        had = set(before.badges_earned or ()) if before else set()
        badges = had | set(_badges(over, longest, marks.get(student)))
        awarded += len(badges - had)
        rows.append(
            {
                "user_id": student,
                "total_courses_enrolled": total,
                "courses_completed": over,
                "courses_in_progress": on,
                "average_quiz_score": marks.get(student),
                "total_time_invested_minutes": minutes.get(student, 0) // 60,
                "current_streak_days": current,
                "longest_streak_days": longest,
                "badges_earned": sorted(badges),
                "engagement_score": _engagement(done[student]),
            }
        )
    changed = keep(connection, student_analytics, rows, now)
    return {"students_processed": len(ids), "students_changed": changed, "badges_awarded": awarded}


def _badges(completed_courses: int, longest: int, mark: Decimal | None) -> Iterator[str]:
    if completed_courses >= 1:
        yield "first_completion"
    if completed_courses >= 10:
        yield "course_completionist"
    if longest >= 7:
        yield "streak_7"
    if longest >= 30:
        yield "streak_30"
    if mark is not None and mark >= 90:
        yield "high_performer"


def _engagement(done: _Done) -> Decimal:
    """A hundred at most: video 30, quizzes 15, posts 20, assignments 25, days 10."""
    hours = Decimal(done.video_seconds) / 3_600
    parts = (
        (Decimal("0.30"), 10 * hours),
        (Decimal("0.20"), Decimal(5 * done.posts)),
        (Decimal("0.25"), Decimal(10 * done.assignments)),
        (Decimal("0.15"), Decimal(5 * done.quizzes)),
        (Decimal("0.10"), Decimal("3.33") * len(done.recent_days)),
    )
    return rounded(sum((weight * min(Decimal(100), points) for weight, points in parts), Decimal(0)), 2)


def _courses(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, tuple[int, int, int]]:
    row = enrollments.c
    over, on = func.sum(case((completed(cut), 1), else_=0)), func.sum(case((active(cut), 1), else_=0))
    found = select(row.student_id, func.count(), over, on).where(row.student_id.in_(ids), row.enrolled_at < cut)
    return {each[0]: (each[1], each[2], each[3]) for each in connection.execute(found.group_by(row.student_id))}


def _marks(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, Decimal | None]:
    row, scores = quiz_submissions.c, defaultdict[Any, list[Decimal]](list)
    for student, score in connection.execute(
        select(row.student_id, row.score_percentage).where(row.student_id.in_(ids), graded(cut))
    ):
        scores[student].append(score)
    return {student: mean(each) for student, each in scores.items()}


def _minutes(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, int]:
    row = lesson_progress.c
    found = (
        select(enrollments.c.student_id, func.sum(row.time_spent_seconds))
        .join(enrollments, enrollments.c.id == row.enrollment_id)
        .where(enrollments.c.student_id.in_(ids), or_(row.completed_at.is_(None), row.completed_at < cut))
        .group_by(enrollments.c.student_id)
    )
    return {student: int(seconds or 0) for student, seconds in connection.execute(found)}


def _activities(connection: Connection, ids: Sequence[Any], cut: datetime) -> dict[Any, _Done]:
    """Lessons that were ended, quizzes, assignments and posts before the cut."""
    found, since = defaultdict[Any, _Done](_Done), cut - RECENT
    progress, quiz, work, post = lesson_progress.c, quiz_submissions.c, assignment_submissions.c, discussion_posts.c
    ended = (
        select(enrollments.c.student_id, progress.completed_at, lessons.c.type, progress.time_spent_seconds)
        .join(enrollments, enrollments.c.id == progress.enrollment_id)
        .outerjoin(lessons, lessons.c.id == progress.lesson_id)
        .where(enrollments.c.student_id.in_(ids), and_(progress.completed_at.is_not(None), progress.completed_at < cut))
    )
    for student, at, kind, seconds in connection.execute(ended):
        if _note(found[student], at, since) and kind == "video":
            found[student].video_seconds += seconds
    for name, who, when in (
        ("quizzes", quiz.student_id, quiz.submitted_at),
        ("assignments", work.student_id, work.submitted_at),
        ("posts", post.author_id, post.created_at),
    ):
        for student, at in connection.execute(select(who, when).where(who.in_(ids), when < cut)):
            if _note(found[student], at, since):
                setattr(found[student], name, getattr(found[student], name) + 1)
    return found


def _note(done: _Done, at: datetime, since: datetime) -> bool:
    """Whether it was in the last 30 days."""
    done.days.add(day_of(at))
    if at < since:
        return False
    done.recent_days.add(day_of(at))
    return True
