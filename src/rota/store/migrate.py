"""Numbered migrations: each is applied once, in order, all missing ones in one transaction.

A file that cannot be one text for both databases carries the dialect's name: ``0002_autovacuum.postgres.sql``.

Tables of ours are known by their names and columns. Those that are there and are somebody else's, and those of a ledger
from before the names had a prefix, are told by name; none of them is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rota.errors import SchemaError
from rota.store import schema
from rota.store.database import NO_TABLES, Database, Dialect, Transaction, render
from rota.store.tables import PREFIX, migration_files, tables

_MIGRATION = f"{PREFIX}migration"
_OLD_MIGRATION = "migration"


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """``applied`` and ``known`` are the newest migration numbers of the database and of this code (0: none)."""

    applied: int
    known: int
    missing: list[str]

    @property
    def current(self) -> bool:
        return not self.missing and self.applied == self.known


def known_migrations(dialect: Dialect) -> list[Migration]:
    found = []
    for file, text in migration_files():
        name, _, rest = file.partition(".")
        if rest in {"sql", f"{dialect.name}.sql"}:
            found.append(Migration(int(name[:4]), name, render(text, dialect).sql.replace("%%", "%")))
    return found


def migrate(database: Database, now_us: int) -> list[str]:
    """Apply what is missing and return the names; an up-to-date database is left as it is.

    Raises:
        SchemaError: the database has migrations that this code does not know, or tables that are in the way.
    """
    known = known_migrations(database.dialect)
    with database.exclusive() as tx:
        applied = _applied(tx, database.dialect)
        _refuse_newer(applied, known)
        missing = [migration for migration in known if migration.number not in applied]
        for migration in missing:
            tx.script(migration.sql)
            schema.add(tx, migration.number, migration.name, now_us)
        _check_columns(tx, database.dialect)
    return [migration.name for migration in missing]


def peek(database: Database) -> SchemaStatus:
    """How far the database is, by reading alone.

    Raises:
        SchemaError: the tables there are somebody else's, of an older ledger, or not what the migrations made.
    """
    known = known_migrations(database.dialect)
    with database.read() as tx:
        applied = _applied(tx, database.dialect)
        missing = [migration.name for migration in known if migration.number not in applied]
        found = SchemaStatus(max(applied, default=0), known[-1].number, missing)
        if found.current:
            _check_columns(tx, database.dialect)
    return found


status = peek


def check(database: Database) -> None:
    """Raise ``SchemaError`` unless the database has just the migrations that this code knows."""
    demand(peek(database))


def demand(found: SchemaStatus) -> None:
    """Raise ``SchemaError`` unless what was found is current."""
    if found.applied > found.known:
        raise _newer(found.applied, found.known)
    if found.applied == 0:
        raise SchemaError("the database holds no tables of Rota yet", hint=NO_TABLES)
    if found.missing:
        raise SchemaError(
            f"the database is at schema {found.applied}, this Rota needs {found.known}",
            hint="Run: rota db migrate",
        )


def _refuse_newer(applied: set[int], known: list[Migration]) -> None:
    if max(applied, default=0) > known[-1].number:
        raise _newer(max(applied), known[-1].number)


def _newer(applied: int, known: int) -> SchemaError:
    return SchemaError(
        f"the database is at schema {applied}, newer than the {known} that this Rota knows",
        hint="Upgrade Rota on this machine to the version that the other nodes run.",
    )


def _applied(tx: Transaction, dialect: Dialect) -> set[int]:
    """The numbers of the migrations that the database has had; none, where it has no tables of ours."""
    there = schema.columns(tx, map(dialect.table, tables()))
    migrated = tables()[_MIGRATION] <= there.get(dialect.table(_MIGRATION), frozenset())
    applied = set(schema.applied(tx)) if migrated else set()
    if there and not applied:
        raise _in_the_way(there)
    if not applied:
        _refuse_without_prefix(tx)
    return applied


def _in_the_way(there: Iterable[str]) -> SchemaError:
    return SchemaError(
        f"there are tables that no migration of Rota made: {', '.join(sorted(there))}",
        hint="Rename them, or give Rota a database of its own (on PostgreSQL, a schema).",
    )


def _refuse_without_prefix(tx: Transaction) -> None:
    """A ledger whose tables have no prefix yet holds schedules and runs: it must not look like an empty database."""
    there = schema.columns(tx, [name.removeprefix(PREFIX) for name in tables()])
    if tables()[_MIGRATION] != there.get(_OLD_MIGRATION):
        return
    if "0001_initial" in schema.applied_without_prefix(tx):
        raise SchemaError(
            f"there is a ledger of an older Rota, in tables without the prefix {PREFIX}: {', '.join(sorted(there))}",
            hint="Name another file or database; or, if nobody needs what they hold, drop these tables.",
        )


def _check_columns(tx: Transaction, dialect: Dialect) -> None:
    """Somebody may have changed a table, or made one of this name before a migration could."""
    there = schema.columns(tx, map(dialect.table, tables()))
    for name, columns in tables().items():
        lacking = columns - there.get(dialect.table(name), frozenset())
        if lacking:
            what = "is not there" if lacking == columns else f"has no column {', '.join(sorted(lacking))}"
            raise SchemaError(
                f"the table {dialect.table(name)} {what}, though its migration was applied",
                hint="Did somebody change it? Bring it back from a backup, or give Rota a database of its own.",
            )
