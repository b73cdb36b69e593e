"""The tables. A list of names is JSON; an instant is UTC; people's choices are columns of ``users``.

The ledger of messages is ``rota.messages.deliveries``, in the same database: its recipient is a user, its subject a
contest's key, its version the contest's ``schedule_version``. It outlives the contest's own row.
"""

from __future__ import annotations

from pathlib import Path

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
    inspect,
)

from apps.database import Instant, connect
from apps.own_tables import OWN, use_own_tables
from rota.errors import ConfigError
from rota.messages import metadata as messages
from rota.recipes import bind, ready

metadata = MetaData()
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


def check(engine: Engine) -> None:
    """Raises ``ConfigError`` where the database has a table of one of these names that is another one."""
    look = inspect(engine)
    there = set(look.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in there or table.info.get(OWN):
            continue
        missing = set(table.columns.keys()) - {column["name"] for column in look.get_columns(table.name)}
        if missing:
            raise ConfigError(
                f"the table {table.name} is not CodeNotify's: it has no column {', '.join(sorted(missing))}",
                hint="Give CodeNotify a database, or a schema, of its own: CODENOTIFY_DATABASE_URL.",
            )


def open_database(url: str, own: Path | None = None) -> Engine:
    """The database with all of its tables; ``own`` says which of them are called otherwise.

    Raises ``ConfigError``, and ``SettingsError`` with all that is wrong with the tables that ``own`` names.
    """
    engine = connect(url)
    if own is not None:
        use_own_tables(metadata, engine, own)
    prepare(engine)
    return engine


def prepare(engine: Engine) -> None:
    """Check the tables, and make those that are missing."""
    check(engine)
    ready(engine, metadata)
    ready(engine)
    ready(engine, messages)
    bind(metadata, engine)
    bind(messages, engine)
