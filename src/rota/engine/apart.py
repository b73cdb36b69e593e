"""One bad row keeps no other from its turn: what fails together is done in halves, until the bad one is alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rota.errors import SchemaError, StoreUnreachableError

T = TypeVar("T")
OUTAGE = (StoreUnreachableError, SchemaError)
"""What is no row's fault."""


def each_apart(rows: Sequence[T], do: Callable[[Sequence[T]], object], alone: Callable[[T, Exception], None]) -> None:
    """Do it for all at once, as a transaction; ``alone`` is called for each that fails by itself."""
    if not rows:
        return
    try:
        do(rows)
    except OUTAGE:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the database refuses: it is told with the row
        if len(rows) == 1:
            alone(rows[0], error)
            return
        middle = len(rows) // 2
        each_apart(rows[:middle], do, alone)
        each_apart(rows[middle:], do, alone)


def all_steps(steps: Sequence[Callable[[], bool]]) -> bool:
    """Take every step, whatever becomes of another; then raise the first error. Returns whether there is more to do."""
    more, failed = False, None
    for step in steps:
        try:
            more = step() or more
        except OUTAGE:
            raise
        except Exception as error:  # noqa: BLE001 - raised below
            failed = failed or error
    if failed is not None:
        raise failed
    return more
