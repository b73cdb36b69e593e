"""The tables. A moment is UTC; an amount is decimal text, as the ledger that it comes from has it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
)

from apps.database import Instant, Json
from apps.ids import Id, id_column

metadata = MetaData(info={"application": "Savings"})


def _group() -> Column[Any]:
    return Column("group_id", Id, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False, index=True)


def _user(*, nullable: bool = False) -> Column[Any]:
    return Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=nullable, index=True)


users = Table(
    "users",
    metadata,
    id_column(),
    Column("name", Text),
    Column("email", Text),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("summaries_opted_out", Boolean, nullable=False, default=False),
)
groups = Table(
    "groups",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("contract_address", Text),
    Column("admin_wallet", Text),
    Column("contribution_amount", Text, nullable=False, default="0"),
    Column("token", Text),
    Column("asset_code", Text, nullable=False, default="XLM"),
    Column("asset_issuer", Text),
    Column("round_duration", Integer),
    Column("status", Text, nullable=False, default="PENDING"),
    Column("current_round", Integer, nullable=False, default=0),
    Column("total_rounds", Integer, nullable=False),
    Column("payout_order_strategy", Text),
    Column("min_members", Integer, nullable=False, default=1),
    Column("max_members", Integer),
    Column("stale_at", Instant),
    Column("start_date", Instant),
    Column("end_date", Instant),
    Column("activated_at", Instant),
    Column("completed_at", Instant),
    Column("timezone", Text, nullable=False, default="UTC"),
    Column("penalty_rate", Numeric(6, 4, asdecimal=False), nullable=False, default=0.05),
    Column("grace_period_hours", Integer, nullable=False, default=24),
    Column("show_names", Boolean, nullable=False, default=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Index("groups_by_status", "status", "id"),
)
memberships = Table(
    "memberships",
    metadata,
    id_column(),
    _group(),
    _user(),
    Column("wallet", Text),
    Column("payout_order", Integer),
    Column("has_received_payout", Boolean, nullable=False, default=False),
    Column("has_paid_current_round", Boolean, nullable=False, default=False),
    Column("contributions_made", Integer, nullable=False, default=0),
    Column("status", Text, nullable=False, default="ACTIVE"),
    Column("created_at", Instant),
    UniqueConstraint("group_id", "user_id"),
)
contributions = Table(
    "contributions",
    metadata,
    id_column(),
    _group(),
    _user(),
    Column("wallet", Text),
    Column("round_number", Integer, nullable=False),
    Column("amount", Text, nullable=False),
    Column("transaction_hash", Text, unique=True),
    Column("timestamp", Instant, index=True),
    Column("asset_code", Text, nullable=False, default="XLM"),
    Column("status", Text, nullable=False, default="PENDING"),
    Column("created_at", Instant),
    UniqueConstraint("user_id", "group_id", "round_number"),
)
audit_logs = Table(
    "audit_logs",
    metadata,
    id_column(),
    Column("action", Text, nullable=False),
    Column("user_id", Id),
    Column("group_id", Id),
    Column("details", Json),
    Column("ip_address", Text),
    Column("user_agent", Text),
    Column("created_at", Instant, nullable=False),
    Index("audit_logs_by_age", "created_at", "id"),
)
audit_logs_archive = audit_logs.to_metadata(metadata, name="audit_logs_archive")
for _index in list(audit_logs_archive.indexes):  # an index has a name of its own, and an archive is not looked into
    audit_logs_archive.indexes.remove(_index)
archive_parts = Table(
    "archive_parts",
    metadata,
    Column("part", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
contribution_summaries = Table(
    "contribution_summaries",
    metadata,
    id_column(),
    _group(),
    Column("week", Text, nullable=False),
    Column("payload", Json),
    Column("created_at", Instant),
    UniqueConstraint("group_id", "week"),
)
outbox = Table(
    "outbox",
    metadata,
    id_column(),
    Column("dedupe_key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("payload", Json),
    Column("state", Text, nullable=False, default="queued"),
    Column("created_at", Instant),
)
