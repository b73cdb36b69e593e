"""Move rows from one state to another, when their time has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, and_, select, update

from rota.errors import ConfigError
from rota.recipes.database import engine_of, table_of
from rota.recipes.guarded import work_off
from rota.recipes.part import Counts, Part
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.rows import Key, Rows, Where
from rota.recipes.safety import Safety
from rota.recipes.steps import merge, status_of
from rota.recipes.values import values_at

if TYPE_CHECKING:
    from rota import JobResult, Run

Chosen = Callable[[Connection, Sequence[Any], datetime], Sequence[Any]]
"""Of these keys, those that move: for conditions that are easier said in Python."""

CONFLICT = "conflict"
"""Counts rows that somebody else changed between the look and the move: they stay as they are."""
Also = Callable[[Connection, Sequence[Any], "Run"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Rows in the state ``frm`` of which ``when`` holds, and that ``chosen`` chooses, get the state ``to``. ``also`` is
    done in the same transaction, with the keys of those that did; ``event`` is emitted for each batch."""

    name: str
    frm: Any
    to: Any
    when: Where | None = None
    chosen: Chosen | None = None
    set_values: Mapping[str, Any] = field(default_factory=dict)
    also: Also | None = None
    event: str = ""


@dataclass(frozen=True, eq=False)
class Transitions(Recipe):
    """No row moves twice in one run: what leads on from where another transition ends is done before that one."""

    state: Column[Any]
    transitions: Sequence[Transition]
    _: KW_ONLY
    where: Where | None = None
    safety: Safety = Safety(most_fraction=None, runaway=None, batch=200)  # noqa: RUF009 - it is a value

    def __post_init__(self) -> None:
        left, ordered = list(self.transitions), list[Transition]()
        while left:
            last = [each for each in left if not any(each.to == other.frm for other in left)]
            if not last:
                raise ConfigError(
                    f"{self.state.table.name}: {', '.join(each.name for each in left)} lead in a circle",
                    hint="Make two recipes of them: in one run no row is to move twice.",
                )
            ordered += last
            left = [each for each in left if each not in last]
        object.__setattr__(self, "transitions", tuple(ordered))

    @property
    def description(self) -> str:
        """``Move rows of groups: activate, complete.``"""
        return f"Move rows of {self.state.table.name}: {', '.join(each.name for each in reversed(self.transitions))}."

    def parts(self, as_of: datetime) -> Sequence[Part]:
        return [self._part(each, as_of, None) for each in self.transitions]

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        without_plan(plan)
        whole, done = JobResult(), []
        for each in self.transitions:
            part = work_off(engine_of(table_of(self.state.table)), run, self._part(each, run.as_of, run))
            merge(whole, each.name, part, prefix=False)
            done.append(part)
        whole.status = status_of([each.status for each in done])
        moved = [f"{count:,} {name}" for name, count in whole.counts.items() if count]
        whole.message = ", ".join(moved) or "nothing to do"
        return whole

    def _part(self, each: Transition, as_of: datetime, run: Run | None) -> Part:
        rows = Rows.older(table_of(self.state.table), None, None, self.where, as_of)
        when = each.when(as_of) if callable(each.when) else each.when
        there = and_(rows.where, self.state == each.frm, *(() if when is None else (when,)))
        rows = Rows(rows.table, there)

        def change(connection: Connection, keys: Sequence[Key]) -> Counts:
            moving = keys
            if each.chosen is not None:
                chosen = set(each.chosen(connection, [key[0] for key in keys], as_of))
                moving = [key for key in keys if key[0] in chosen]
            there, wanted = rows.among(moving), len(moving)
            if moving and run is not None:  # some may have been moved by somebody else, a moment ago
                moving = [tuple(row) for row in connection.execute(select(*rows.key).where(there))]
            values = values_at(rows.table, {self.state.key: each.to, **each.set_values}, as_of)
            count = connection.execute(update(rows.table).where(there).values(values)).rowcount if moving else 0
            if count and run is not None:
                ids = [key[0] for key in moving]
                if each.also is not None:
                    each.also(connection, ids, run)
                if each.event:
                    run.emit(each.event, table=rows.table.name, ids=ids)
            return Counter({each.name: count, CONFLICT: wanted - count})

        every_row = each.chosen is not None
        return Part(each.name, "move", rows, change, self.safety, also=(CONFLICT,), every_row=every_row, says=each)
