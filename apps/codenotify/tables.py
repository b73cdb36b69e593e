"""The tables. A list of names is JSON; an instant is UTC; people's choices are columns of ``users``."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    cast,
    literal,
)

from apps.database import Instant

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives a rowid to INTEGER keys only


def contains(names: ColumnElement[object], name: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether a JSON list of plain names holds one: it does if the name stands there in quotes."""
    return cast(names, Text).contains(literal('"').concat(name).concat('"'))


users = Table(
    "users",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("phone", Text),
    Column("role", String(8), nullable=False, default="user"),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("is_email_verified", Boolean, nullable=False, default=False),
    Column("last_login_at", Instant),
    Column("last_active_at", Instant),
    Column("refresh_token_hash", Text),
    Column("refresh_token_expires_at", Instant),
    Column("discord_id", Text),
    Column("telegram_chat_id", Text),
    Column("push_token", Text),
    Column("platforms", JSON, nullable=False),
    Column("contest_types", JSON, nullable=False),
    Column("alert_frequency", String(16), nullable=False, default="immediate"),
    Column("channels", JSON, nullable=False),
    Column("notify_before_hours", Integer, nullable=False, default=24),
    Column("time_zone", Text, nullable=False, default="UTC"),
    Column("created_at", Instant, nullable=False),
    Column("deactivated_at", Instant),
    Column("deactivation_reason", Text),
    Index("users_by_frequency", "alert_frequency", "id"),
)

contests = Table(
    "contests",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("contest_key", Text, nullable=False, unique=True),
    Column("platform", String(16), nullable=False),
    Column("platform_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("phase", String(24), nullable=False),
    Column("type", String(16), nullable=False),
    Column("start_time", Instant, nullable=False),
    Column("end_time", Instant, nullable=False),
    Column("duration_minutes", BigInteger, nullable=False),
    Column("website_url", Text, nullable=False),
    Column("registration_url", Text),
    Column("difficulty", Text),
    Column("participant_count", BigInteger),
    Column("problem_count", BigInteger),
    Column("country", Text),
    Column("city", Text),
    Column("metadata", JSON, nullable=False),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("schedule_version", Integer, nullable=False, default=1),
    Column("missing_syncs", Integer, nullable=False, default=0),
    Column("cancelled_at", Instant),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_synced_at", Instant, nullable=False),
    Column("content_hash", String(64), nullable=False),
    UniqueConstraint("platform", "platform_id"),
    Index("contests_by_start", "start_time"),
    Index("contests_by_end", "end_time", "id"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("contest_id", ForeignKey("contests.id", ondelete="SET NULL"), index=True),
    Column("contest_key", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Column("type", String(24), nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("read_at", Instant),
    Column("expires_at", Instant),
    UniqueConstraint("user_id", "contest_key", "kind", "schedule_version"),
    Index("notifications_by_age", "created_at", "id"),
)

# The ledger: one row per message that was ever due, kept by contest_key so that it outlives the contest's own row.
deliveries = Table(
    "notification_deliveries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("notification_id", ForeignKey("notifications.id", ondelete="SET NULL"), index=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("contest_key", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("claimed_at", Instant, nullable=False),
    Column("claimed_by", Text, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("last_tried_at", Instant),
    Column("sent_at", Instant),
    Column("useful_until", Instant, nullable=False),
    Column("contest_end_time", Instant),
    Column("provider_message_id", Text),
    Column("last_error", Text),
    UniqueConstraint("user_id", "contest_key", "kind", "schedule_version", "channel"),
    Index("deliveries_by_status", "status", "id"),
    Index("deliveries_by_contest", "contest_key", "status"),
)

# One row a platform, and "global": when it was last synchronised, what to ask conditionally with, and its breaker.
sync_state = Table(
    "sync_state",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("last_completed_at", Instant),
    Column("validators", JSON, nullable=False, default=dict),
    Column("failures", Integer, nullable=False, default=0),
    Column("open_until", Instant),
    Column("open_s", Integer, nullable=False, default=0),
    Column("probe_until", Instant),
)
