"""What is looked at before the first write: whether so much, so young, or so much else besides was meant to go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Table, func, inspect, select, text
from sqlalchemy.sql.visitors import iterate

from rota.recipes.age import Age
from rota.recipes.rows import Rows
from rota.recipes.safety import Safety
from rota.recipes.tables import sweeps

HISTORY = timedelta(days=30)
LARGE = 1_000_000
"""Rows, from which on an age column without an index is a trip, and not a warning alone."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a recipe is about to do: so many rows of so many, and what speaks against it."""

    count: int
    total: int
    oldest: datetime | None
    newest: datetime | None
    trips: tuple[str, ...]
    warnings: tuple[str, ...]


def look(
    connection: Connection, rows: Rows, safety: Safety, job: str | None, part: str, *, deletes: bool, done: int = 0
) -> Look:
    """Count, and compare with every limit; ``job``: whose history counts, where there is one; ``done``: rows that an
    earlier attempt of the run has changed, which count as well."""
    count = rows.count(connection)
    total = int(connection.scalar(select(func.count()).select_from(rows.table)) or 0)
    trips = [*_too_many(connection, count + done, total + done * deletes, safety, job, part), *_too_young(rows, safety)]
    if deletes and count:
        trips += cascades(rows.table, safety.cascades, connection)
    unindexed = count and not _has_index(connection, rows)
    reads_all = f"no index begins with {_age_name(rows)}: each batch reads all {total:,} rows of {rows.table.name}"
    if unindexed and total > LARGE:
        trips.append(reads_all)
    warnings = (reads_all,) if unindexed and safety.floor < total <= LARGE else ()
    return Look(count, total, *(rows.ages(connection) if count else (None, None)), tuple(trips), warnings)


def _too_many(
    connection: Connection, count: int, total: int, safety: Safety, job: str | None, part: str
) -> Iterable[str]:
    if safety.most_rows is not None and count > safety.most_rows:
        yield f"{count:,} rows are more than {safety.most_rows:,}"
    if count <= safety.floor:
        return
    if safety.most_fraction is not None and count > total * safety.most_fraction:
        share = f"{count / total:.1%} of {total:,} rows"
        yield f"{count:,} rows are {share}, more than {safety.most_fraction:.1%}"
    mean = None if job is None else _mean(connection, job, part)
    if mean is not None and safety.runaway is not None and count > mean * safety.runaway:
        usual = f"{safety.runaway:g} times the {mean:,.0f} of a usual run"
        yield f"{count:,} rows are more than {usual} in the last {HISTORY.days} days"


def _mean(connection: Connection, job: str, part: str) -> float | None:
    """Of what the runs of the last month changed; ``None`` where there was none."""
    since = datetime.now(UTC) - HISTORY
    ended = (sweeps.c.job == job, sweeps.c.part == part, sweeps.c.started_at >= since, sweeps.c.ended_at.is_not(None))
    mean = connection.scalar(select(func.avg(sweeps.c.changed)).where(*ended, sweeps.c.rehearsed == 0))
    return None if mean is None else float(mean)


def _too_young(rows: Rows, safety: Safety) -> Iterable[str]:
    """An age rule of a day or less is mostly a mistake of units; a rule without an age is asked nothing."""
    least = Age.of(safety.least_age)
    if rows.older_than is not None and rows.cutoff is not None and rows.older_than.is_shorter_than(least, rows.cutoff):
        yield f"rows older than {rows.older_than} would go, and none younger than {least} should"


def cascades(table: Table, expected: Iterable[str], connection: Connection) -> list[str]:
    """Tables that lose rows with this one, by the keys of the metadata; and by those of the database, which may have
    tables that the metadata does not."""
    found = _cascades_kept(connection, table)
    waiting, seen = [table], {table}
    while waiting:
        parent = waiting.pop()
        for child in parent.metadata.sorted_tables:
            for key in child.foreign_keys:
                if key.column.table is parent and (key.ondelete or "").upper() == "CASCADE" and child not in seen:
                    found.setdefault(child.name, parent.name)
                    seen.add(child)
                    waiting.append(child)
    unexpected = {name: parent for name, parent in found.items() if name not in expected and name != table.name}
    return [
        f"rows of {name} would go with those of {parent} (ON DELETE CASCADE)"
        for name, parent in sorted(unexpected.items())
    ]


_CASCADES = text("""
    WITH RECURSIVE gone(child, parent) AS (
        SELECT conrelid, confrelid FROM pg_constraint
        WHERE confrelid = to_regclass(CAST(:name AS text)) AND contype = 'f' AND confdeltype = 'c' AND conparentid = 0
        UNION
        SELECT conrelid, confrelid FROM pg_constraint JOIN gone ON confrelid = child
        WHERE contype = 'f' AND confdeltype = 'c' AND conparentid = 0)
    SELECT child.relname, parent.relname
    FROM gone JOIN pg_class child ON child.oid = gone.child JOIN pg_class parent ON parent.oid = gone.parent
""")

_CASCADES_OF_SQLITE = text("""
    SELECT child.name, key."table" FROM sqlite_master AS child, pragma_foreign_key_list(child.name) AS key
    WHERE child.type = 'table' AND upper(key.on_delete) = 'CASCADE'
""")


def _cascades_kept(connection: Connection, table: Table) -> dict[str, str]:
    """By the table that loses rows, the one that it loses them with."""
    if connection.dialect.name == "postgresql":
        name = connection.dialect.identifier_preparer.format_table(table)
        return {child: parent for child, parent in connection.execute(_CASCADES, {"name": name})}
    pairs = [(child, referred) for child, referred in connection.execute(_CASCADES_OF_SQLITE)]
    found: dict[str, str] = {}
    waiting = [table.name]
    while waiting:
        parent = waiting.pop()
        new = [child for child, referred in pairs if referred.lower() == parent.lower() and child not in found]
        found |= dict.fromkeys(new, parent)
        waiting += new
    return found


def _age_columns(rows: Rows) -> set[str]:
    if rows.age is None:
        return set()
    return {each.name for each in iterate(rows.age) if isinstance(each, Column) and each.table is rows.table}


def _age_name(rows: Rows) -> str:
    return ", ".join(sorted(_age_columns(rows)))


def _has_index(connection: Connection, rows: Rows) -> bool:
    """Whether the database has an index that begins with a column of the age, or cannot be asked for one."""
    wanted = _age_columns(rows)
    if not wanted:
        return True
    inspector = inspect(connection)
    indexes = [each["column_names"] for each in inspector.get_indexes(rows.table.name, rows.table.schema)]
    firsts: set[Any] = {next(iter(names), None) for names in indexes}
    expressions = any(None in names for names in indexes)
    key = inspector.get_pk_constraint(rows.table.name, rows.table.schema)["constrained_columns"]
    return bool(wanted & (firsts | set(key[:1]))) or expressions
