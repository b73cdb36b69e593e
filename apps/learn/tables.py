"""The tables, as far as the jobs touch them. A moment is UTC; a key is a number or text, as the data has it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from apps.database import Instant, Json
from apps.ids import Id, id_column
from apps.numbers import Decimal_
from rota.recipes import secret_tables

metadata = MetaData(info={"application": "Learn"})


def _to(name: str, table: str, *, ondelete: str | None = "CASCADE") -> Column[Any]:
    return Column(name, Id, ForeignKey(f"{table}.id", ondelete=ondelete), nullable=False, index=True)


users = Table(
    "users",
    metadata,
    id_column(),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text),
    Column("role", Text, nullable=False, default="student"),
    Column("email_verified", Boolean, nullable=False, default=False),
    Column("verification_token", Text),
    Column("password_reset_token", Text),
    Column("password_reset_expires", Instant, index=True),
    Column("last_login", Instant),
    Column("created_at", Instant, nullable=False, index=True),
    Column("deleted_at", Instant),
)
courses = Table(
    "courses",
    metadata,
    id_column(),
    _to("educator_id", "users"),
    Column("title", Text, nullable=False),
    Column("status", Text, nullable=False, default="draft"),
    Column("average_rating", Decimal_(3, 2)),
    Column("published_at", Instant),
    Column("deleted_at", Instant),
)
lessons = Table(
    "lessons",
    metadata,
    id_column(),
    _to("course_id", "courses"),
    Column("title", Text),
    Column("position", Integer, nullable=False, default=0),
    Column("type", Text),
)
enrollments = Table(
    "enrollments",
    metadata,
    id_column(),
    _to("student_id", "users"),
    _to("course_id", "courses"),
    Column("enrolled_at", Instant, nullable=False, index=True),
    Column("completed_at", Instant),
    Column("progress_percentage", Integer, nullable=False, default=0),
    Column("last_accessed_at", Instant),
    Column("status", Text, nullable=False, default="active"),
    UniqueConstraint("student_id", "course_id"),
)
lesson_progress = Table(
    "lesson_progress",
    metadata,
    id_column(),
    _to("enrollment_id", "enrollments"),
    _to("lesson_id", "lessons"),
    Column("status", Text),
    Column("time_spent_seconds", Integer, nullable=False, default=0),
    Column("completed_at", Instant),
    Column("quiz_score", Decimal_(5, 2)),
    Column("attempts_count", Integer),
)
quiz_submissions = Table(
    "quiz_submissions",
    metadata,
    id_column(),
    _to("student_id", "users"),
    Column("enrollment_id", Id),
    Column("lesson_id", Id, index=True),
    Column("started_at", Instant),
    Column("submitted_at", Instant, index=True),
    Column("score_percentage", Decimal_(5, 2)),
    Column("grading_status", Text),
)
assignment_submissions = Table(
    "assignment_submissions",
    metadata,
    id_column(),
    _to("student_id", "users"),
    Column("lesson_id", Id),
    Column("submitted_at", Instant, nullable=False, index=True),
)
discussion_posts = Table(
    "discussion_posts",
    metadata,
    id_column(),
    _to("author_id", "users"),
    Column("course_id", Id),
    Column("created_at", Instant, nullable=False, index=True),
)
payments = Table(
    "payments",
    metadata,
    id_column(),
    _to("user_id", "users"),
    Column("course_id", Id, index=True),
    Column("amount", Decimal_(12, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
)
refunds = Table(
    "refunds",
    metadata,
    id_column(),
    _to("payment_id", "payments"),
    Column("amount", Decimal_(12, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
)
analytics_events = Table(
    "analytics_events",
    metadata,
    id_column(),
    Column("user_id", Id),
    Column("event_type", Text),
    Column("event_data", Json),
    Column("timestamp", Instant, nullable=False, index=True),
)
course_analytics = Table(
    "course_analytics",
    metadata,
    Column("course_id", Id, primary_key=True),
    Column("total_enrollments", Integer, nullable=False, default=0),
    Column("active_enrollments", Integer, nullable=False, default=0),
    Column("completion_count", Integer, nullable=False, default=0),
    Column("completion_rate", Decimal_(5, 2)),
    Column("average_rating", Decimal_(3, 2)),
    Column("total_revenue", Json),
    Column("average_time_to_completion_days", Decimal_(10, 2)),
    Column("dropout_rate", Decimal_(5, 2)),
    Column("most_difficult_lesson_id", Id),
    Column("engagement_metrics", Json),
    Column("source_hash", Text),
    Column("last_updated", Instant),
)
student_analytics = Table(
    "student_analytics",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("total_courses_enrolled", Integer, nullable=False, default=0),
    Column("courses_completed", Integer, nullable=False, default=0),
    Column("courses_in_progress", Integer, nullable=False, default=0),
    Column("average_quiz_score", Decimal_(5, 2)),
    Column("total_time_invested_minutes", Integer, nullable=False, default=0),
    Column("current_streak_days", Integer, nullable=False, default=0),
    Column("longest_streak_days", Integer, nullable=False, default=0),
    Column("badges_earned", Json),
    Column("skill_ratings", Json),
    Column("engagement_score", Decimal_(5, 2)),
    Column("source_hash", Text),
    Column("last_updated", Instant),
)
reports = Table(
    "reports",
    metadata,
    id_column(),
    Column("report_type", Text, nullable=False),
    Column("period_start", Instant, nullable=False),
    Column("period_end", Instant, nullable=False),
    Column("scope", Text, nullable=False, default="all"),
    Column("payload", Json),
    Column("checksum", Text),
    Column("generated_at", Instant),
    Column("revision", Integer, nullable=False, default=1),
    UniqueConstraint("report_type", "period_start", "scope"),
)
realtime_metrics = Table(
    "realtime_metrics", metadata, Column("hour_start", Instant, primary_key=True), Column("payload", Json)
)
secret_policies, secret_versions = secret_tables(metadata, key=id_column())
secret_values = Table(
    "secret_values", metadata, Column("ref", Text, primary_key=True), Column("value", Text, nullable=False)
)
