"""The versions of secrets and what becomes of them: pending, current, previous, revoked; or failed.

A row changes by compare-and-set, with the account of it in the same transaction. No row holds a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    null,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from rota.errors import RotaError
from rota.recipes import tables
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.rows import aware, moment_for
from rota.recipes.tables import Instant

if TYPE_CHECKING:
    from rota import Run


def secret_tables(metadata: MetaData, prefix: str = "secret", *, key: Column[Any] | None = None) -> tuple[Table, Table]:
    """Tables for the policies and for the versions of secrets; a database with these indexes has never more than one
    pending and one current version of each. ``key``: the versions' primary key, if it is not to be a whole number."""
    policies = Table(
        f"{prefix}_policies",
        metadata,
        Column("name", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("interval_days", Integer, nullable=False, default=90),
        Column("grace_seconds", Integer, nullable=False, default=86_400),
        Column("group_name", Text),
        Column("length", Integer),
        Column("alphabet", Text),
        Column("provider", Text),
        Column("consumers", JSON(none_as_null=True)),
        Column("paused", Boolean, nullable=False, default=False),
    )
    name = f"{prefix}_versions"
    versions = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True) if key is None else key,
        Column("name", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("state", Text, nullable=False),
        Column("value_ref", Text),
        Column("fingerprint", Text),
        *(Column(each, Instant) for each in ("created_at", "activated_at", "not_after", "revoked_at")),
        Column("run_id", Text),
        UniqueConstraint("name", "version"),
        *(
            Index(f"{name}_{state}", "name", unique=True, sqlite_where=text(where), postgresql_where=text(where))
            for state, where in (("pending", "state = 'pending'"), ("current", "state = 'current'"))
        ),
    )
    return policies, versions


class TakenError(RotaError):
    """Another run has changed this version meanwhile: it is left to that one."""


@dataclass(frozen=True, slots=True)
class Version:
    name: str
    version: int
    state: str
    value_ref: str | None
    fingerprint: str | None
    activated_at: datetime | None = None
    not_after: datetime | None = None

    @property
    def kid(self) -> str:
        """What a signature names it by."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Versions:
    table: Table
    run: Run

    @property
    def engine(self) -> Engine:
        return engine_of(self.table)

    def of(self, name: str) -> list[Version]:
        """The newest first."""
        return versions_of(self.table, name)

    def begin(self, name: str) -> Version:
        """A pending one, before there is a value: what a crash leaves behind has a row that says so."""
        of = self.table.c
        with writing(self.engine) as connection:
            number = 1 + (connection.scalar(select(func.max(of.version)).where(of.name == name)) or 0)
            new = Version(name, number, "pending", None, None)
            row = {"name": name, "version": number, "state": "pending", "run_id": self.run.idempotency_key}
            made = moment_for(of.created_at, datetime.now(UTC))
            try:
                connection.execute(self.table.insert().values(row | {"created_at": made}))
            except IntegrityError:
                raise TakenError(f"{name} is pending already") from None
            self._tell(connection, "pending", new)
        return new

    def fill(self, version: Version, ref: str, fingerprint: str) -> Version:
        with writing(self.engine) as connection:
            self._change(connection, version, "pending", value_ref=ref, fingerprint=fingerprint)
        return Version(version.name, version.version, "pending", ref, fingerprint)

    def promote(self, each: Sequence[tuple[Version, timedelta]]) -> None:
        """Of a group all at once: each takes the place of the one before it, which ends after its grace."""
        as_of = self.run.as_of
        with writing(self.engine) as connection:
            for version, grace in each:
                for old in versions_of(self.table, version.name, connection):
                    if old.state == "current":
                        end = moment_for(self.table.c.not_after, as_of + grace)
                        self._change(connection, old, "current", state="previous", not_after=end)
                        self._tell(connection, "previous", old)
                begins = moment_for(self.table.c.activated_at, as_of)
                self._change(connection, version, "pending", state="current", activated_at=begins)
                self._tell(connection, "current", version)

    def end(self, version: Version, state: str) -> None:
        """``failed``, or ``revoked``; its value is to be destroyed."""
        with writing(self.engine) as connection:
            moment = moment_for(self.table.c.revoked_at, self.run.as_of)
            self._change(connection, version, version.state, state=state, revoked_at=moment)
            self._tell(connection, state, version)

    def forget(self, version: Version) -> None:
        """Its value was destroyed."""
        with writing(self.engine) as connection:
            self._change(connection, version, version.state, value_ref=null())

    def _change(self, connection: Connection, version: Version, was: str, **values: Any) -> None:
        of = self.table.c
        mine = (of.name == version.name, of.version == version.version, of.state == was)
        if not connection.execute(update(self.table).where(*mine).values(values)).rowcount:
            raise TakenError(f"{version.kid} is not {was} any more")

    def _tell(self, connection: Connection, state: str, version: Version) -> None:
        told = {"fingerprint": version.fingerprint} if version.fingerprint else None
        tables.record(connection, self.run, f"secret.{state}", self.table.name, target_id=version.kid, details=told)


def versions_of(table: Table, name: str, connection: Connection | None = None) -> list[Version]:
    """The newest first."""
    if connection is None:
        with reading(engine_of(table)) as connection:
            return versions_of(table, name, connection)
    of = table.c
    columns = (of.name, of.version, of.state, of.value_ref, of.fingerprint, of.activated_at, of.not_after)
    rows = connection.execute(select(*columns).where(of.name == name).order_by(of.version.desc())).all()
    return [Version(*row[:5], aware(row[5]), aware(row[6])) for row in rows]
