"""A part of a recipe: which rows, what is done to them, and by which rule it is known again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from rota.recipes.rows import Key, Rows
from rota.recipes.rule import digest, without_moments
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from rota.recipes.archive import Sink

Counts = Counter[str]
"""How many rows were changed, by the name of the part; and whatever else was counted on the way."""
Change = Callable[[Connection, Sequence[Key]], Counts]
"""Changes rows of these keys of which the predicate still holds."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows, what is done to them, and within which limits; ``sink`` keeps them before that."""

    name: str
    """What its rows are counted as."""
    action: str
    rows: Rows
    change: Change
    safety: Safety
    sink: Sink | None = None
    also: tuple[str, ...] = ()
    """What else it counts: told also where it is nothing."""
    step: str = ""
    """Its step, where a recipe has several."""
    every_row: bool = False
    """The rule may hold of a row when it is done as well: all are gone through once, and none is left over."""
    says: Any = None
    """What else makes it this rule: what is set, what goes with its rows."""

    @property
    def key(self) -> str:
        """The name that it has within its job."""
        return f"{self.step}.{self.name}" if self.step else self.name


def rule_hash(part: Part) -> str:
    """What a rule says and what is done by it, without the moment that it is asked at."""
    rows = part.rows
    rule = without_moments(rows.where) if rows.rule is None else rows.rule
    return digest(rows.table, part.action, rule, rows.age, str(rows.older_than), part.sink, part.says)
