"""Waiting at the terminal for a run to end: its progress, its log lines as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rota.app.run_handle import until_over
from rota.cli.errors import Exit
from rota.cli.terminal import echo
from rota.model.run import RunRecord, RunState

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.cli.output import Output

FAILED = (RunState.FAILED, RunState.CANCELLED, RunState.EXPIRED)


def wait_for(app: Rota, run_id: int, timeout: float | None, out: Output) -> RunRecord:
    """Wait with a bar of progress. Raises ``WaitTimeoutError``; the run goes on then."""
    with out.progress(f"run {run_id}") as show:

        def look(record: RunRecord) -> None:
            show(record.progress_done, record.progress_total)

        return watch(app, run_id, timeout, look)


def watch(app: Rota, run_id: int, timeout: float | None, look: Callable[[RunRecord], None]) -> RunRecord:
    """Look at a run again and again until it is over."""
    for record in until_over(lambda: app.runs.get(run_id), timeout, time.sleep):
        look(record)
    return record


@contextmanager
def left_alone(run_id: int, out: Output) -> Iterator[None]:
    """Ctrl-C ends the waiting and not the run: that is said."""
    try:
        yield
    except KeyboardInterrupt:
        out.say(f"Run {run_id} goes on; stop it with: rota run cancel {run_id}")
        raise


def exit_code(record: RunRecord) -> Exit:
    """What the shell is told of a run that is over."""
    return Exit.FAILED if record.state in FAILED else Exit.OK


class LogPrinter:
    """Prints the lines of a run's attempts that it has not printed yet."""

    def __init__(self, app: Rota, run_id: int) -> None:
        self._app = app
        self._run_id = run_id
        self._printed: dict[int, int] = {}

    @property
    def nothing(self) -> bool:
        return not any(self._printed.values())

    def print_new(self) -> None:
        for attempt, text in sorted(self._app.runs.logs(self._run_id).items()):
            if attempt not in self._printed and (attempt > 1 or self._printed):
                echo(f"--- attempt {attempt}", err=True)
            lines = text.split("\n")  # and at no other line end: a body may log one
            for line in lines[self._printed.get(attempt, 0) :]:
                echo(line)
            self._printed[attempt] = len(lines)
