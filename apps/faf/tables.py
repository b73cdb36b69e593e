"""The tables. A moment is UTC; a month is the month of a campaign, as ``2026-11``."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from apps.database import Instant, Json
from apps.ids import Id, id_column
from apps.numbers import Decimal_

metadata = MetaData(info={"application": "FaF"})


users = Table(
    "users",
    metadata,
    id_column(),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("email_verified", Boolean, nullable=False, default=False),
    Column("send_day", Integer, nullable=False, default=5),
    Column("send_time", Text, nullable=False, default="18:00"),
    Column("timezone", Text, nullable=False, default="Europe/Paris"),
    Column("first_reminder", Boolean, nullable=False, default=True),
    Column("second_reminder", Boolean, nullable=False, default=True),
    Column("reminder_channel", Text, nullable=False, default="email"),
    Column("email_template", Text, nullable=False, default="friendly"),
    Column("custom_message", Text),
    Column("last_active_at", Instant),
    Column("created_at", Instant),
    Column("deleted_at", Instant),
)
contacts = Table(
    "contacts",
    metadata,
    id_column(),
    Column("owner_id", Id, nullable=False, index=True),  # no foreign key: an owner may go, and leave them behind
    Column("email", Text, nullable=False),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("contact_user_id", Id),
    Column("status", Text, nullable=False, default="pending"),
    Column("email_status", Text, nullable=False, default="active"),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("opted_out", Boolean, nullable=False, default=False),
    Column("opted_out_at", Instant),
    Column("opt_out_reason", Text),
    Column("soft_bounce_count", Integer, nullable=False, default=0),
    Column("last_bounce_at", Instant),
    Column("bounce_reason", Text),
    Column("invitations_sent", Integer, nullable=False, default=0),
    Column("responses_received", Integer, nullable=False, default=0),
    Column("response_rate", Decimal_(5, 2)),
    Column("last_sent_at", Instant),
    Column("created_at", Instant),
    UniqueConstraint("owner_id", "email"),
)
invitations = Table(
    "invitations",
    metadata,
    id_column(),
    Column("from_user_id", Id, nullable=False),
    Column("contact_id", Id, index=True),
    Column("to_email", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("token_hash", Text, unique=True),
    Column("short_code", Text),
    Column("status", Text, nullable=False, default="queued"),
    Column("status_reason", Text),
    Column("created_at", Instant),
    Column("queued_at", Instant),
    Column("sent_at", Instant, index=True),
    Column("opened_at", Instant),
    Column("started_at", Instant),
    Column("submitted_at", Instant),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Instant),
    Column("lease_until", Instant),
    Column("provider", Text),
    Column("provider_message_id", Text),
    Column("last_error", Text),
    Column("priority", Text),
    UniqueConstraint("from_user_id", "to_email", "month"),
    Index("invitations_by_status", "status", "id"),
)
invitation_reminders = Table(
    "invitation_reminders",
    metadata,
    id_column(),
    Column("invitation_id", Id, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("claimed_at", Instant),
    Column("sent_at", Instant),
    UniqueConstraint("invitation_id", "kind"),
)
campaign_runs = Table(
    "campaign_runs",
    metadata,
    Column("owner_id", Id, nullable=False, default=""),
    Column("month", Text, nullable=False),
    Column("scheduled_at", Instant),
    Column("status", Text),
    Column("checkpoint", Json),
    Column("counts", Json),
    PrimaryKeyConstraint("owner_id", "month"),
)
email_events = Table(
    "email_events",
    metadata,
    id_column(),
    Column("provider_event_id", Text, unique=True),
    Column("invitation_id", Id),
    Column("type", Text),
    Column("at", Instant, nullable=False, index=True),
    Column("payload", Json),
)
suppressions = Table(
    "suppressions",
    metadata,
    Column("email_hash", Text, primary_key=True),
    Column("reason", Text),
    Column("at", Instant),
)
owner_stats = Table(
    "owner_stats",
    metadata,
    Column("owner_id", Id, primary_key=True),
    Column("invitations", Integer, nullable=False, default=0),
    Column("expired", Integer, nullable=False, default=0),
    Column("cancelled", Integer, nullable=False, default=0),
    Column("bounced", Integer, nullable=False, default=0),
    Column("response_rate", Decimal_(5, 2)),
)
health_samples = Table(
    "health_samples",
    metadata,
    id_column(),
    Column("at", Instant, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("checks", Json),
)
