"""The user's own tables."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, Table, Text

metadata = MetaData()

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("phone", Text),
    Column("zone", Text),
    Column("active", Boolean, nullable=False, default=True),
    Column("invited_at", DateTime(timezone=True)),
)

games = Table(
    "games",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("title", Text),
    Column("starts_at", DateTime(timezone=True)),
    Column("cancelled", Boolean, nullable=False, default=False),
)

heard = Table(
    "heard",
    metadata,
    Column("recipient", Text),
    Column("status", Text),
)
