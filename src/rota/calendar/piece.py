"""A part of an expression that knows its place, so that every complaint can point at it."""

from __future__ import annotations

from typing import NamedTuple

from rota.calendar.fields import Field
from rota.errors import CronError


class Piece(NamedTuple):
    expression: str
    field: Field
    text: str
    at: int
    """Where ``text`` begins in ``expression``."""

    def items(self) -> list[Piece]:
        """The items of a list; one item when there is no comma."""
        if "," not in self.text:
            return [self]
        found, at = [], self.at
        for text in self.text.split(","):
            found.append(Piece(self.expression, self.field, text, at))
            at += len(text) + 1
        return found

    def part(self, text: str, offset: int) -> Piece:
        """The part ``text`` that begins ``offset`` characters in."""
        return Piece(self.expression, self.field, text, self.at + offset)

    def error(self, problem: str, hint: str = "") -> CronError:
        return CronError(
            f"{self.field.name}: {problem}",
            expression=self.expression,
            span=(self.at, self.at + max(len(self.text), 1)),
            field=self.field.name,
            hint=hint or f"allowed: {self.field.allowed}",
        )
