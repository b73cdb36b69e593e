"""Numbered migrations: each is applied once, in order, all missing ones in one transaction.

A file that cannot be one text for both databases carries the dialect's name: ``0002_autovacuum.postgres.sql``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from rota.errors import SchemaError
from rota.store.database import NO_TABLES, Database, Dialect, render

_TABLE = """CREATE TABLE IF NOT EXISTS migration (
    number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);"""


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
    for path in (files(__package__) / "sql" / "migrations").iterdir():
        name, _, rest = path.name.partition(".")
        if rest in {"sql", f"{dialect.name}.sql"}:
            found.append(Migration(int(name[:4]), name, render(path.read_text(), dialect).sql.replace("%%", "%")))
    return sorted(found, key=lambda migration: migration.number)


def migrate(database: Database, now_us: int) -> list[str]:
    """Apply what is missing and return the names; an up-to-date database is left as it is.

    Raises:
        SchemaError: the database has migrations that this code does not know.
    """
    known = known_migrations(database.dialect)
    with database.exclusive() as execute:
        execute(_TABLE)
        applied = {int(row[0]) for row in execute("SELECT number FROM migration;")}
        _refuse_newer(applied, known)
        missing = [migration for migration in known if migration.number not in applied]
        for migration in missing:
            execute(migration.sql)
            execute(f"INSERT INTO migration VALUES ({migration.number}, '{migration.name}', {now_us});")  # noqa: S608
    return [migration.name for migration in missing]


def status(database: Database) -> SchemaStatus:
    known = known_migrations(database.dialect)
    with database.exclusive() as execute:
        execute(_TABLE)
        applied = {int(row[0]) for row in execute("SELECT number FROM migration;")}
    missing = [migration.name for migration in known if migration.number not in applied]
    return SchemaStatus(max(applied, default=0), known[-1].number, missing)


def peek(database: Database) -> SchemaStatus:
    """As ``status``, by reading alone. Raises ``StoreError`` where there are no tables."""
    known = known_migrations(database.dialect)
    with database.read() as tx:
        applied = {int(row[0]) for row in tx.all("schema.applied")}
    missing = [migration.name for migration in known if migration.number not in applied]
    return SchemaStatus(max(applied, default=0), known[-1].number, missing)


def check(database: Database) -> None:
    """Raise ``SchemaError`` unless the database has just the migrations that this code knows."""
    demand(status(database))


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
