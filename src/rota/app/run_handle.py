"""A run that was asked for, in the hands of who asked."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from rota.body import place, signal
from rota.errors import NotFoundError, WaitTimeoutError
from rota.model.duration import Duration, seconds, show_duration
from rota.model.run import ENDED, RunRecord, RunState
from rota.store import Store, runs

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25


class RunHandle:
    """A run that was asked for; ``new`` is False where one with the same key was there already."""

    def __init__(self, store: Store, run_id: int, new: bool = True) -> None:
        self.id = run_id
        self.new = new
        self._store = store

    def __repr__(self) -> str:
        return f"<Run {self.id}>"

    @property
    def state(self) -> RunState:
        return RunState(self.record().state)

    @property
    def result(self) -> Any:
        """What the body returned, from JSON; ``None`` before the end. A failed ``JobResult`` is one, too."""
        record = self.record()
        return None if record.result is None or record.state not in ENDED else json.loads(record.result)

    def record(self) -> RunRecord:
        """The run as the ledger has it now. Raises ``NotFoundError`` once it is pruned, or if it was rolled back."""
        with self._store.read() as tx:
            found = runs.get(tx, self.id)
        if found is None:
            hint = "Its transaction was rolled back, or it was pruned: see keep.* in `rota config show`."
            raise NotFoundError(f"there is no run {self.id}", hint=hint)
        return found

    def wait(self, timeout: Duration | None = None) -> RunRecord:
        """Wait until the run is over. Raises ``WaitTimeoutError`` after ``timeout``; the run goes on then.

        Inside a body it ends with the signal to stop, as ``run.sleep`` does, and another body may be done meanwhile.
        """
        most = None if timeout is None else seconds(timeout)
        with place.lent():
            return deque(until_over(self.record, most, signal.sleep), maxlen=1).pop()


def until_over(
    look: Callable[[], RunRecord], timeout: float | None, sleep: Callable[[float], None]
) -> Iterator[RunRecord]:
    """A run, again and again, until it is over. Raises ``WaitTimeoutError`` after so many seconds."""
    give_up_at = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE
    yield (record := look())
    while record.state not in ENDED:
        if give_up_at is not None and time.monotonic() >= give_up_at:
            text = f"after {show_duration(timeout or 0)} run {record.id} is still {record.state}"
            raise WaitTimeoutError(text, hint=f"Ask why: rota run why {record.id}")
        sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
        yield (record := look())
