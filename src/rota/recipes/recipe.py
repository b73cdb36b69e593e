"""A recipe: a value that one calls, and so the body of a job, with all that a job can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

from rota.errors import ConfigError
from rota.recipes.age import Age
from rota.recipes.database import check_column, check_condition, engine_of, reading, table_of
from rota.recipes.guarded import work_off
from rota.recipes.part import Counts, Part
from rota.recipes.rows import Rows, Where
from rota.recipes.safety import DEFAULT, Safety
from rota.shown import shown

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import ColumnElement, Connection

    from rota import JobResult, Run
    from rota.recipes.archive import Sink
    from rota.recipes.promotion import Promotion
    from rota.recipes.rows import Key


def without_plan(plan: str | None) -> None:
    """For recipes that have several parts, or none: raises ``ConfigError`` where a plan was given."""
    if plan is not None:
        raise ConfigError("this recipe keeps to no plan", hint="A plan is of a recipe over the rows of one table.")


class Recipe:
    """``rota.job("name", schedule=…)(recipe)`` makes it a job; the job takes over whether it destroys and sends."""

    destructive: bool = False
    sends: bool = False

    @property
    def description(self) -> str:
        """What it does, in a line."""
        return (self.__doc__ or "").partition("\n")[0]

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        """``plan``: the token of a dry run; more than it has seen, by a tenth, is not done."""
        raise NotImplementedError

    def parts(self, as_of: datetime) -> Sequence[Part]:
        """What it sweeps, for those who look at it; none where it works on other things than rows."""
        del as_of
        return ()


@dataclass(frozen=True, eq=False)
class RowRecipe(Recipe):
    """Over rows of one table. ``age`` is a column or an expression, such as ``func.coalesce(used_at, created_at)``."""

    table: Any
    _: KW_ONLY
    age: ColumnElement[Any] | None = None
    older_than: Age | timedelta | str | None = None
    where: Where | None = None
    safety: Safety = DEFAULT
    promote: Promotion | None = None
    counted_as: str = ""
    """The name of its count in the result."""
    count_too: Mapping[str, Where] = field(default_factory=dict)
    """Other rows of the table that its result tells the number of, as they are before it begins."""
    archive_to: Sink | None = None
    action: ClassVar[str] = ""
    count_name: ClassVar[str] = ""
    also: ClassVar[tuple[str, ...]] = ()
    """What else it counts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", table_of(self.table))
        self._check()
        if self.older_than is not None:
            object.__setattr__(self, "older_than", Age.of(self.older_than))

    def _check(self) -> None:
        """What can be seen to be wrong is told where the recipe is written, and not by its first run at night."""
        where = f"{type(self).__name__} of {self.table.name}"
        if self.age is not None:
            check_column(where, "age", self.age)
        for name, given in {
            "where": self.where,
            **{f"count_too[{key!r}]": e for key, e in self.count_too.items()},
        }.items():
            if given is not None:
                check_condition(where, name, given)
        if not isinstance(self.safety, Safety):
            raise ConfigError(f"{where}: safety={shown(self.safety)}", hint="Write Safety(most_rows=50_000).")
        if self.promote is not None and not hasattr(self.promote, "dry_runs"):
            raise ConfigError(f"{where}: promote={shown(self.promote)}", hint="Write Promotion(dry_runs=7).")
        if self.archive_to is not None and not hasattr(self.archive_to, "read"):
            place = f"({str(self.archive_to)!r})" if isinstance(self.archive_to, (str, PathLike)) else "(…)"
            hint = f"ArchiveTo.folder{place}; or .s3(client, bucket), .table(table)"
            raise ConfigError(f"{where}: archive_to={shown(self.archive_to)} keeps nothing", hint=f"Write {hint}.")

    @property
    def description(self) -> str:
        """``Delete rows of note older than 90d.``"""
        old = f" older than {self.older_than}" if self.older_than is not None else ""
        return f"{self.action.capitalize()} rows of {self.table.name}{old}."

    def rows(self, as_of: datetime) -> Rows:
        older_than = None if self.older_than is None else Age.of(self.older_than)
        return Rows.older(self.table, self.age, older_than, self.where, as_of)

    @property
    def count(self) -> str:
        return self.counted_as or self.count_name

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: datetime) -> Counts:
        """What is done to those of these keys of which the rule holds still; how many they were is ``count``."""
        raise NotImplementedError

    def parts(self, as_of: datetime) -> Sequence[Part]:
        rows = self.rows(as_of)
        return [
            Part(
                name=self.count,
                action=self.action,
                rows=rows,
                change=lambda connection, keys: self.change(connection, rows, keys, as_of),
                safety=self.safety,
                sink=self.archive_to,
                also=(*self.also, *getattr(self.archive_to, "counted", ())),
                says=self._says(),
            )
        ]

    def _says(self) -> dict[str, Any]:
        """What a kind of recipe has beside the rows: ``children``, ``set_values``, ``scrub``, ``marker``."""
        others = {each.name for each in fields(RowRecipe)}
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in others}

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        [part] = self.parts(run.as_of)
        engine = engine_of(self.table)
        with reading(engine) as connection:
            others = {
                name: Rows.older(self.table, None, None, where, run.as_of).count(connection)
                for name, where in self.count_too.items()
            }
        result = work_off(engine, run, part, plan=plan, promote=self.promote)
        result.counts |= others
        return result
