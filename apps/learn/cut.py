"""What the platform looked like at a moment: everything is read as it was then, so that a late run says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_

from apps.learn.tables import enrollments, quiz_submissions

_enrollment, _quiz = enrollments.c, quiz_submissions.c


def completed(cut: datetime) -> ColumnElement[bool]:
    return and_(_enrollment.completed_at.is_not(None), _enrollment.completed_at < cut)


def active(cut: datetime) -> ColumnElement[bool]:
    """Completed later, or active today: what else became of it has no history."""
    later = and_(_enrollment.completed_at.is_not(None), _enrollment.completed_at >= cut)
    return or_(later, and_(_enrollment.completed_at.is_(None), _enrollment.status == "active"))


def graded(cut: datetime) -> ColumnElement[bool]:
    """By a person or by the platform: both count."""
    return and_(
        _quiz.submitted_at < cut,
        _quiz.grading_status.in_(["auto_graded", "graded"]),
        _quiz.score_percentage.is_not(None),
    )


def day_of(moment: datetime) -> datetime:
    """The UTC day, by its first moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def streaks(days: set[datetime], cut: datetime) -> tuple[int, int]:
    """Days in a row with something done: those that end on the day before ``cut``, and the most there ever were."""
    longest = length = 0
    before = None
    for day in sorted(days):
        length = length + 1 if before is not None and day - before == timedelta(days=1) else 1
        longest, before = max(longest, length), day
    return (length if before == day_of(cut) - timedelta(days=1) else 0), longest
