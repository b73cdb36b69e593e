"""A recipe around another one: it is of the same kind, and does something before or after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rota.recipes import Recipe

if TYPE_CHECKING:
    from rota.recipes.part import Part


@dataclass(frozen=True, eq=False)
class Around(Recipe):
    recipe: Recipe

    @property
    def destructive(self) -> bool:  # type: ignore[override] - as the recipe says
        return self.recipe.destructive

    @property
    def sends(self) -> bool:  # type: ignore[override]
        return self.recipe.sends

    @property
    def description(self) -> str:
        """As the recipe has it."""
        return self.recipe.description

    def parts(self, as_of: datetime) -> Sequence[Part]:
        return self.recipe.parts(as_of)
