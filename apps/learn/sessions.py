"""LP-4, as far as it is about rows: accounts that nobody ever verified, and links to a new password that are over."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, and_, exists, not_, or_

from apps.learn.tables import (
    assignment_submissions,
    courses,
    discussion_posts,
    enrollments,
    lesson_progress,
    lessons,
    payments,
    quiz_submissions,
    refunds,
    users,
)
from rota.recipes import Retention, Safety, Tokens

UNVERIFIED_FOR = timedelta(days=30)
CAREFUL = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort", batch=500)
_OWNERS: tuple[Column[object], ...] = (
    enrollments.c.student_id,
    payments.c.user_id,
    discussion_posts.c.author_id,
    courses.c.educator_id,
    quiz_submissions.c.student_id,
    assignment_submissions.c.student_id,
)
_EMPTY = {table.name for table in (enrollments, payments, refunds, discussion_posts, courses, lessons, lesson_progress,
                                   quiz_submissions, assignment_submissions)}  # fmt: skip
"""By their foreign keys rows of these would go with an account; there are none, as only accounts without any go."""


def _has_data() -> ColumnElement[bool]:
    return or_(*(exists().where(owner == users.c.id) for owner in _OWNERS))


def _unverified() -> ColumnElement[bool]:
    row = users.c
    return and_(row.email_verified.is_(False), row.role == "student", row.deleted_at.is_(None))


def _kept(now: datetime) -> ColumnElement[bool]:
    return and_(_unverified(), users.c.created_at < now - UNVERIFIED_FOR, _has_data())


UNVERIFIED_ACCOUNTS = Retention(
    users,
    age=users.c.created_at,
    older_than=UNVERIFIED_FOR,
    where=and_(_unverified(), not_(_has_data())),
    counted_as="accounts_removed",
    count_too={"kept_has_data": _kept},
    safety=CAREFUL.with_(cascades=_EMPTY),
)

RESET_TOKENS = Tokens(
    users,
    age=users.c.password_reset_expires,
    older_than="24h",
    where=users.c.password_reset_token.is_not(None),
    set_values={"password_reset_token": None, "password_reset_expires": None},
    counted_as="reset_tokens_cleared",
    safety=CAREFUL.with_(most_fraction=None),
)
