"""The place that a body takes among those of its node: while it waits for a run, it lends it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

Lend = Callable[[], AbstractContextManager[None]]
current: ContextVar[Lend | None] = ContextVar("rota_place", default=None)
"""Lends the place of the body that this code runs in; ``None`` where it takes none."""


def lent() -> AbstractContextManager[None]:
    """While its ``with`` lasts, another body may be done in place of this one."""
    lend = current.get()
    return nullcontext() if lend is None else lend()
