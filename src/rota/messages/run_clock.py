"""The clock of a run that a person asked for as of another moment: a replay, a repair, a trial.

It began at that moment and goes on from there, so that such a run finds of use what was of use then. The runs of a
schedule go by the clock on the wall, however long they were held up: they send nothing stale.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from rota import Run

STEP = "messages:clock"
SLACK = timedelta(minutes=1)
"""The moment of any run is so near to the clock when it begins, unless another one was given."""
_known: WeakKeyDictionary[Run, timedelta] = WeakKeyDictionary()


def ahead(run: Run, now: datetime) -> timedelta:
    """How far the run's clock is ahead of ``now``, in each of its attempts; nothing for most."""
    if run.schedule is not None:
        return timedelta(0)
    if run not in _known:
        away = run.as_of - now if run.attempt == 1 else timedelta(0)
        if not run.muted and (run.attempt > 1 or abs(away) > SLACK):
            away = timedelta(seconds=run.step(STEP, away.total_seconds))
        _known[run] = away if abs(away) > SLACK else timedelta(0)
    return _known[run]
