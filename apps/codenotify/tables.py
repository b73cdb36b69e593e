"""The tables. A list of names is JSON; an instant is UTC; people's choices are columns of ``users``.

The ledger of messages is ``rota.messages.deliveries``, in the same database: its recipient is a user, its subject a
contest's key, its version the contest's ``schedule_version``. It outlives the contest's own row.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from apps import own_tables
from apps.database import Instant
from apps.own_tables import Place
from rota.messages import metadata as messages
from rota.recipes import bind, ready

metadata = MetaData(info={"application": "CodeNotify"})
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives a rowid to INTEGER keys only


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
    Column("version_start_time", Instant),
    Column("cancellations", Integer, nullable=False, default=0),
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
    Column("start_time", Instant),
    Column("created_at", Instant, nullable=False),
    Column("read_at", Instant),
    Column("expires_at", Instant),
    UniqueConstraint("user_id", "contest_key", "kind", "schedule_version"),
    Index("notifications_by_age", "created_at", "id"),
)

# One row a platform, and "global": when it was last synchronised, what to ask conditionally with, and its breaker.
sync_state = Table(
    "sync_state",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("last_completed_at", Instant),
    Column("validators", JSON, nullable=False, default=dict),
    Column("failures", Integer, nullable=False, default=0),
    Column("failed_in", Text),
    Column("open_until", Instant),
    Column("open_s", Integer, nullable=False, default=0),
    Column("probe_until", Instant),
)


def open_database(settings: Place) -> Engine:
    """The database with all of its tables.

    Raises ``ConfigError``, and ``SettingsError`` with all that is wrong with tables of one's own.
    """
    engine = own_tables.open_database(settings, metadata)
    _join(engine)
    return engine


def prepare(engine: Engine) -> None:
    """Make the tables that are missing."""
    own_tables.make_tables(engine, metadata)
    _join(engine)


def _join(engine: Engine) -> None:
    """The ledger and the audit are beside our own tables."""
    ready(engine)
    ready(engine, messages)
    bind(metadata, engine)
    bind(messages, engine)
