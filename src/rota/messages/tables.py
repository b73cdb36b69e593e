"""The tables of messages, beside the user's own: so that a claim, what became of it and the account of it are one
transaction with whatever the user writes there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from rota.recipes.tables import Instant

metadata = MetaData(info={"name": "rota.messages.metadata"})
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
KEY = ("recipient", "subject", "kind", "version", "channel")


def _only(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


deliveries = Table(
    "rota_message",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("next_try_at", Instant, nullable=False),
    Column("useful_until", Instant),
    Column("claimed_by", Text),
    Column("claimed_as", BigInteger),
    Column("lease_until", Instant),
    Column("provider", Text),
    Column("request", Text),
    Column("unsure", Integer, nullable=False, server_default="0"),
    Column("provider_id", Text),
    Column("ended_at", Instant),
    Column("feedback", Text),
    UniqueConstraint(*KEY, name="rota_message_once"),
    Index("rota_message_queue", "kind", "channel", "priority", "id", **_only("status = 'queued'")),
    Index("rota_message_again", "kind", "channel", "request", **_only("status = 'queued' AND request IS NOT NULL")),
    Index("rota_message_claimed", "kind", "channel", **_only("status = 'claimed'")),
    Index("rota_message_provider", "provider_id", **_only("provider_id IS NOT NULL")),
    Index("rota_message_ended", "ended_at", **_only("ended_at IS NOT NULL")),
    sqlite_autoincrement=True,  # a number that was used once names no other message later
    comment="One row for each message that was ever due: who may send it, and what became of it.",
)

tallies = Table(
    "rota_message_run",
    metadata,
    Column("run", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("errors", JSON, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("run", "kind"),
    comment="What one run has done so far with messages of a kind, counted in the transactions that did it.",
)

senders = Table(
    "rota_message_sender",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False, default=0),
    Column("open_until", Instant),
    Column("open_seconds", Integer, nullable=False, default=0),
    Column("probe_until", Instant),
    Column("rest_until", Instant),
    Column("messages_at", Instant),
    Column("requests_at", Instant),
    comment="What all nodes share of a sender: its breaker, its rest, its pace.",
)

suppressions = Table(
    "rota_message_suppression",
    metadata,
    Column("address_hash", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("address_hash", "topic"),
    comment="Addresses that get no more messages, or none of a topic; '' is every topic.",
)

events = Table(
    "rota_message_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("type", Text, nullable=False),
    Column("message_id", BigInteger),
    comment="What providers told of messages later, each once.",
)


class _Microseconds(GenericFunction[Any]):
    """Of UTC, of a column that holds a moment as the database does; one without a zone is taken for UTC."""

    name = "rota_microseconds"
    inherit_cache = True
    type = Instant()


@compiles(_Microseconds, "postgresql")
def _of_postgres(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {compiler.process(element.clauses, **options)}) * 1000000 AS BIGINT)"


@compiles(_Microseconds, "sqlite")
def _of_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST(strftime('%s', {compiler.process(element.clauses, **options)}) AS INTEGER) * 1000000"


def inserted(connection: Connection, statement: Any) -> int:
    """How many rows an INSERT made, where some may have been there."""
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def as_instant(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column if isinstance(column.type, Instant) else _Microseconds(column)
