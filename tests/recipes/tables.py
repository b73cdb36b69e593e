"""Tables as an application has them: of every kind of key, some with columns that the database calls otherwise."""

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
    Column("nr", Integer, key="id", primary_key=True),
    Column("made_on", DateTime(timezone=True), key="created_at", nullable=False, index=True),
    Column("read_at", DateTime(timezone=True)),
    Column("body", Text, key="text"),
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
    Column("uuid", Uuid, key="id", primary_key=True),
    Column("happened_at", DateTime, key="at", nullable=False),
    Column("person", Integer, key="user_id"),
    Column("data", JSON, key="metadata"),
    Column("cleaned_at", DateTime(timezone=True), key="anonymized_at"),
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
