"""The tables. A moment is UTC; a key is a number or text, as the data has it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint, text

from apps.database import Instant, Json
from apps.ids import Id, id_column
from rota.recipes import erasure_ledger

metadata = MetaData(info={"application": "Bazaar"})


def _user(name: str = "user_id", *, ondelete: str | None = "CASCADE", nullable: bool = False) -> Column[Any]:
    return Column(name, Id, ForeignKey("users.id", ondelete=ondelete), nullable=nullable, index=True)


def _project(*, nullable: bool = False) -> Column[Any]:
    return Column("project_id", Id, ForeignKey("projects.id", ondelete="CASCADE"), nullable=nullable, index=True)


def _idea() -> Column[Any]:
    return Column("idea_id", Id, ForeignKey("ideas.id", ondelete="CASCADE"), nullable=False, index=True)


def _created() -> Column[Any]:
    return Column("created_at", Instant, nullable=False, index=True)


def _by_address(table: str) -> Any:
    """SQLAlchemy cannot look at such an index on SQLite, and warns whoever asks for the indexes there."""
    return Index(f"{table}_address", text("lower(email)")).ddl_if(dialect="postgresql")


users = Table(
    "users",
    metadata,
    id_column(),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text),
    Column("name", Text),
    Column("avatar_url", Text),
    Column("bio", Text),
    Column("is_admin", Boolean, nullable=False, default=False),
    Column("is_external", Boolean, nullable=False, default=False),
    Column("invited_by_id", Id),
    Column("karma", Integer, nullable=False, default=0),
    Column("show_email_on_profile", Boolean, nullable=False, default=False),
    Column("include_in_search", Boolean, nullable=False, default=True),
    Column("show_activity_publicly", Boolean, nullable=False, default=True),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Column("deletion_requested_at", Instant),
    Column("anonymized_at", Instant),
)
projects = Table(
    "projects",
    metadata,
    id_column(),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("url", Text),
    Column("repo_url", Text),
    Column("image_url", Text),
    Column("status", Text, nullable=False, default="BUILDING"),
    Column("is_featured", Boolean, nullable=False, default=False),
    Column("created_at", Instant),
)
collaborators = Table(
    "collaborators",
    metadata,
    id_column(),
    _user(),
    _project(),
    Column("role", Text, nullable=False),
    Column("created_at", Instant),
    UniqueConstraint("user_id", "project_id"),
)
upvotes = Table(
    "upvotes",
    metadata,
    id_column(),
    _user(),
    _project(),
    Column("created_at", Instant),
    UniqueConstraint("user_id", "project_id"),
)
ideas = Table(
    "ideas",
    metadata,
    id_column(),
    _user(),
    Column("title", Text),
    Column("description", Text),
    Column("created_at", Instant),
)
idea_interests = Table("idea_interests", metadata, id_column(), _user(), _idea(), Column("created_at", Instant))
idea_upvotes = Table("idea_upvotes", metadata, id_column(), _user(), _idea(), Column("created_at", Instant))
pending_invitations = Table(
    "pending_invitations",
    metadata,
    id_column(),
    Column("email", Text, nullable=False),
    _user("invited_by"),
    _project(nullable=True),
    Column("role", Text),
    Column("token", Text),
    Column("expires_at", Instant),
    Column("accepted_at", Instant),
    Column("declined_at", Instant),
    Column("created_at", Instant, nullable=False),
    _by_address("pending_invitations"),
    Index(
        "pending_invitations_open",
        "created_at",
        sqlite_where=text("accepted_at IS NULL AND declined_at IS NULL"),
        postgresql_where=text("accepted_at IS NULL AND declined_at IS NULL"),
    ),
)
push_tokens = Table(
    "push_tokens",
    metadata,
    id_column(),
    _user(),
    Column("token", Text, nullable=False, unique=True),
    Column("platform", Text),
    Column("last_used_at", Instant, index=True),
    _created(),
)
audit_logs = Table(
    "audit_logs",
    metadata,
    id_column(),
    _user(ondelete="SET NULL", nullable=True),
    Column("action", Text, nullable=False),
    Column("resource_type", Text),
    Column("resource_id", Text),
    Column("ip_address", Text),
    Column("user_agent", Text),
    Column("metadata", Json),
    _created(),
    Column("anonymized_at", Instant),
    Column("subject_hash", Text),
    Index("audit_logs_resource", "resource_type", "resource_id"),
)
uploads = Table(
    "uploads",
    metadata,
    id_column(),
    Column("filename", Text, nullable=False, unique=True),
    Column("original_name", Text),
    Column("mime", Text),
    Column("size", Integer),
    Column("path", Text, nullable=False),
    _user("uploaded_by", ondelete="SET NULL", nullable=True),
    _created(),
    Column("state", Text, nullable=False, default="live"),
    Column("unreferenced_since", Instant),
    Column("claimed_at", Instant),
)
data_requests = Table(
    "data_requests",
    metadata,
    id_column(),
    _user(ondelete="SET NULL", nullable=True),
    Column("request_type", Text, nullable=False),
    Column("status", Text, nullable=False, default="PENDING"),
    Column("options", Json),
    Column("requested_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Column("cancelled_at", Instant),
    Column("claimed_at", Instant),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text),
    Column("subject_hash", Text),
    Column("confirm_email_enc", Text),
    Index("data_requests_due", "request_type", "status", "requested_at"),
)
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    id_column(),
    _user(),
    Column("token", Text),
    Column("expires_at", Instant),
    Column("created_at", Instant),
)
magic_link_tokens = Table(
    "magic_link_tokens",
    metadata,
    id_column(),
    _user(ondelete="CASCADE", nullable=True),
    Column("email", Text),
    Column("token", Text),
    Column("expires_at", Instant),
    Column("created_at", Instant),
    _by_address("magic_link_tokens"),
)
notifications = Table(
    "notifications",
    metadata,
    id_column(),
    _user(),
    Column("type", Text),
    Column("payload", Json),
    Column("created_at", Instant),
)
consent_records = Table(
    "consent_records",
    metadata,
    id_column(),
    _user(ondelete="SET NULL", nullable=True),
    Column("consent_type", Text),
    Column("granted", Boolean),
    Column("subject_hash", Text),
    Column("created_at", Instant),
)
login_attempts = Table(
    "login_attempts",
    metadata,
    id_column(),
    _user(ondelete="SET NULL", nullable=True),
    Column("email", Text),
    Column("ip", Text),
    Column("success", Boolean),
    Column("created_at", Instant),
    _by_address("login_attempts"),
)
outbox = Table(
    "outbox",
    metadata,
    id_column(),
    Column("dedupe_key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("to_enc", Text),
    Column("payload", Json),
    Column("state", Text, nullable=False, default="queued"),
    Column("created_at", Instant),
    Column("sent_at", Instant),
)
erasures = erasure_ledger(metadata, users.c.id, column="user_id")
