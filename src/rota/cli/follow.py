"""Waiting at the terminal for a run to end: its progress, its log lines as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rota.app.run_handle import waited_in_vain
from rota.cli.errors import Exit
from rota.cli.terminal import echo
from rota.model.run import RunRecord, RunState

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.cli.output import Output

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
FAILED = (RunState.FAILED, RunState.CANCELLED)


def wait_for(app: Rota, run_id: int, timeout: float | None, out: Output) -> RunRecord:
    """Wait with a bar of progress. Raises ``WaitTimeoutError``; the run goes on then."""
    with out.progress(f"run {run_id}") as show:

        def look(record: RunRecord) -> None:
            show(record.progress_done, record.progress_total)

        return watch(app, run_id, timeout, look)


def watch(app: Rota, run_id: int, timeout: float | None, look: Callable[[RunRecord], None]) -> RunRecord:
    """Look at a run again and again until it is over."""
    give_up_at = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        record = app.runs.get(run_id)
        look(record)
        if RunState(record.state).ended:
            return record
        if give_up_at is not None and time.monotonic() >= give_up_at:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    raise waited_in_vain(record, timeout or 0)


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
