"""Take from old rows what says whom they are about, and keep the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, Connection, select, update

from rota.errors import ConfigError
from rota.recipes.part import Counts
from rota.recipes.personal import Scrub
from rota.recipes.recipe import RowRecipe
from rota.recipes.rows import Key, Rows
from rota.recipes.values import is_function, values_at


@dataclass(frozen=True, eq=False)
class Anonymise(RowRecipe):
    """Old rows stay, without what is personal in them.

    ``set_values`` are put into each: values, SQL expressions, or functions of the row (a mapping by column name).
    ``scrub`` names JSON columns that personal keys are removed from, with a function that makes a ``Scrub``. ``marker``
    is set to the run's ``as_of``, and tells rows that were done from others: without it each run would do all again.
    """

    set_values: Mapping[str, Any] = field(kw_only=True)
    marker: Column[Any] = field(kw_only=True)
    scrub: Mapping[str, Callable[[], Scrub]] = field(default_factory=dict, kw_only=True)
    destructive = True
    action: ClassVar[str] = "anonymise"
    count_name: ClassVar[str] = "anonymized"
    also: ClassVar[tuple[str, ...]] = ("unparsable",)

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted({*self.set_values, *self.scrub} - set(self.table.columns.keys()))
        if unknown:
            raise ConfigError(f"{self.table.name} has no column {unknown[0]!r} to anonymise")

    def rows(self, as_of: datetime) -> Rows:
        rows = super().rows(as_of)
        return replace(rows, where=rows.where & self.marker.is_(None))

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: datetime) -> Counts:
        fixed = {name: value for name, value in self.set_values.items() if not is_function(value)}
        made = {name: value for name, value in self.set_values.items() if is_function(value)}
        fixed = values_at(rows.table, fixed | {self.marker.key: as_of}, as_of)
        if not made and not self.scrub:
            return Counter(
                {self.count: connection.execute(update(rows.table).where(rows.among(keys)).values(fixed)).rowcount}
            )
        scrubs = {name: make() for name, make in self.scrub.items()}
        count = 0
        for row in connection.execute(select(rows.table).where(rows.among(keys))).mappings().all():
            values = {name: make(row) for name, make in made.items()}
            values |= {name: scrub(row[name]) for name, scrub in scrubs.items() if row[name] is not None}
            values = fixed | values_at(rows.table, values, as_of)
            own = rows.among([tuple(row[column] for column in rows.key)])
            count += connection.execute(update(rows.table).where(own).values(values)).rowcount
        return Counter({self.count: count, **_removed(scrubs.values())})


def _removed(scrubs: Iterable[Scrub]) -> Counts:
    found: Counts = Counter()
    for scrub in scrubs:
        found["unparsable"] += scrub.unparsable
        found.update({f"keys_removed.{key}": count for key, count in scrub.removed.items()})
    return found
