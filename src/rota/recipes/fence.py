"""What must hold before each batch, beside the run itself: a lock elsewhere, for instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CHECKS: ContextVar[tuple[Callable[[], None], ...]] = ContextVar("rota.recipes.fence", default=())


@contextmanager
def fenced(check: Callable[[], None]) -> Iterator[None]:
    """Within the block each sweep calls ``check`` before a batch; what it raises ends the sweep."""
    before = _CHECKS.set((*_CHECKS.get(), check))
    try:
        yield
    finally:
        _CHECKS.reset(before)


def check_fences() -> None:
    for check in _CHECKS.get():
        check()
