"""Which step of a recipe with several is being done: its parts are kept apart by it."""

from __future__ import annotations

from contextvars import ContextVar

STEP: ContextVar[str] = ContextVar("rota.recipes.step", default="")
