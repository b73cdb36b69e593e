"""Made-up rows on their way into a database, and what each job must count about them.

The counts are added up while the rows are made, not by asking the rows afterwards: tests compare them with what the
jobs report. The same arguments make the same rows. Rows are written as they come, so that their number costs no memory.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, MetaData, Table, select

from apps.database import insert_many
from apps.own_tables import OWN
from rota.recipes import reading, ready, writing

Size = Literal["small", "medium", "large"]
Progress = Callable[[int], None]
"""Hears of how many rows there are by now."""
Expected = dict[str, dict[str, int]]
"""By job, what it must count when it first runs as of the moment of the data."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
FOREVER = datetime(2099, 12, 31, tzinfo=UTC)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LEAP_DAY = datetime(2024, 2, 29, 12, tzinfo=UTC)
AT_ONCE, TOLD_EVERY = 5_000, 100_000


class MadeUp:
    """``put`` a row where the rows that it points to have been put; ``count`` what a job will do about it."""

    def __init__(self, connection: Connection, metadata: MetaData, seed: str, as_of: datetime) -> None:
        self.chance = random.Random(seed)
        self.as_of = as_of
        self.expected: dict[str, Counter[str]] = {}
        self.rows = 0
        self._connection = connection
        self._waiting: dict[str, dict[tuple[str, ...], list[dict[str, Any]]]] = {
            table.name: {} for table in metadata.sorted_tables
        }
        self._metadata = metadata
        self._numbers: Counter[str] = Counter()
        self.progress: Progress = lambda _rows: None

    def put(self, table: Table, **row: Any) -> int:
        """Returns the number of the row, which is its ``id`` where the table has one that was not given."""
        self._numbers[table.name] += 1
        number = self._numbers[table.name]
        if "id" in table.c and "id" not in row:
            row["id"] = number
        self._waiting[table.name].setdefault(tuple(row), []).append(row)
        self.rows += 1
        if self.rows % AT_ONCE == 0:
            self.write()
        if self.rows % TOLD_EVERY == 0:
            self.progress(self.rows)
        return number

    def number_of(self, table: Table) -> int:
        """How many rows it has by now."""
        return self._numbers[table.name]

    def count(self, job: str, **counts: int) -> None:
        """Add to what the job must count; what begins with ``max_`` is the most of all."""
        of_job = self.expected.setdefault(job, Counter())
        for name, number in counts.items():
            of_job[name] = max(of_job[name], number) if name.startswith("max_") else of_job[name] + number

    def write(self) -> None:
        """Rows that others point to first."""
        for name, waiting in self._waiting.items():
            table = self._metadata.tables[name]
            for rows in waiting.values():
                insert_many(self._connection, table, rows)
            waiting.clear()

    def ago(self, days: float = 0, **more: float) -> datetime:
        return self.as_of - timedelta(days=days, **more)

    def between(self, most_days: float, least_days: float) -> datetime:
        """Some moment, so many days ago."""
        days = least_days + self.chance.random() * (most_days - least_days)
        return self.as_of - timedelta(seconds=int(days * 86_400))


Make = Callable[[MadeUp], None]


def fill_with(
    engine: Engine, metadata: MetaData, make: Make, *, seed: str, as_of: datetime, progress: Progress | None = None
) -> Expected:
    """All rows in one transaction: whoever interrupts it leaves nothing behind."""
    ready(engine, metadata)
    with writing(engine) as connection:
        made = MadeUp(connection, metadata, seed, as_of)
        made.progress = progress or made.progress
        with indexes_later(connection, metadata):
            make(made)
            made.write()
        made.progress(made.rows)
    return {job: dict(counts) for job, counts in made.expected.items()}


@contextmanager
def indexes_later(connection: Connection, metadata: MetaData) -> Iterator[None]:
    """An index that is made at the end is written once; kept up row by row, its pages go to the disk again and again.
    What makes rows unique stays, and so does what is on tables that are somebody else's."""
    ours = [table for table in metadata.sorted_tables if not table.info.get(OWN)]
    late = [index for table in ours for index in table.indexes if not index.unique]
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA cache_size = -131072")  # KiB
    for index in late:
        index.drop(connection)
    yield
    for index in late:
        index.create(connection)


def is_filled(engine: Engine, table: Table) -> bool:
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, table.name):
            return False
        return connection.execute(select(table).limit(1)).first() is not None


def years_before(moment: datetime, years: int) -> datetime:
    """The same day of an earlier year; of a leap day, the 28th."""
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:
        return moment.replace(year=moment.year - years, day=28)


def boundary(cutoff: datetime) -> Mapping[datetime, bool]:
    """Moments around the end of an age, each with whether a row of it goes: exactly at the end it stays."""
    planted = {cutoff: False, cutoff + SECOND: False, cutoff - SECOND: True, cutoff - MICROSECOND: True}
    return planted | {BEGINNING: True, LEAP_DAY: cutoff > LEAP_DAY, FOREVER: False}
