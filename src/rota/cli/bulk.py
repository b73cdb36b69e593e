"""One change to many runs: each told, and a failure of one no end of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rota.cli.errors import Exit
from rota.cli.output import Column
from rota.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from rota.cli.output import Output

COLUMNS = (Column("id", "run"), Column("state"), Column("error"))


def change_each(ids: Sequence[int], change: Callable[[int], object], state: str, out: Output) -> int:
    """Apply it to each run, and tell its state: what ``change`` returns, else ``state``.

    Returns the exit code, that of the first run which could not be changed; of a single run, its error is raised.
    """
    items: list[dict[str, Any]] = []
    code = int(Exit.OK)
    for run_id in ids:
        try:
            items.append({"id": run_id, "state": str(change(run_id) or state), "error": None})
        except (ConflictError, NotFoundError) as error:
            if len(ids) == 1:
                raise
            items.append({"id": run_id, "state": None, "error": str(error)})
            code = code or error.exit_code
    out.listing(items, COLUMNS if code else COLUMNS[:2], empty="There was none.")
    return code
