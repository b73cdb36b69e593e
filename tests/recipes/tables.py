"""Tables as an application has them, of every kind of key."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

metadata = MetaData()

notes = Table(
    "note",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
    Column("read_at", DateTime(timezone=True)),
    Column("text", Text),
)
comments = Table(
    "note_comment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("note_id", ForeignKey(notes.c.id), nullable=False),
)
parents = Table(
    "parent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
)
children = Table(
    "child",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey(parents.c.id, ondelete="CASCADE"), nullable=False),
)
events = Table(
    "event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("user_id", Integer),
    Column("metadata", JSON),
    Column("anonymized_at", DateTime(timezone=True)),
    Index("event_at", "at"),
)
marks = Table(
    "mark",
    metadata,
    Column("day", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "number"),
)
