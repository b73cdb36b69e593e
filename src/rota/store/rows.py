"""Rows and the records that stand for them: what the fields of one are called stands nowhere else.

The fields of a record (a dataclass, or a named tuple where very many are made) are its columns, in order. Statements
name them by the noun, as in ``/* columns(run) */``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, get_args, get_type_hints

from rota.model.attempt import Envelope
from rota.model.batch import Batch
from rota.model.event import Event
from rota.model.fire import FireRecord, NewFire
from rota.model.lease import Lease
from rota.model.node import DutyRecord, NewNode, NodeProcess, NodeRecord
from rota.model.passport import PassportRecord
from rota.model.queue import QueueRecord
from rota.model.release import Release
from rota.model.run import AttemptRecord, Candidate, GivenUp, LostRun, NewRun, RunAge, RunningRun, RunRecord
from rota.model.schedule import DueSchedule, NewSchedule, ScheduleRecord
from rota.model.signal import SignalRecord
from rota.model.step import StepRecord

Row = tuple[Any, ...]
T = TypeVar("T")

RECORDS: Mapping[str, type] = {
    "attempt": AttemptRecord,
    "batch": Batch,
    "candidate": Candidate,
    "claim": Envelope,
    "due_schedule": DueSchedule,
    "duty": DutyRecord,
    "event": Event,
    "fire": FireRecord,
    "given_up": GivenUp,
    "lease": Lease,
    "lost_run": LostRun,
    "new_fire": NewFire,
    "new_node": NewNode,
    "new_run": NewRun,
    "new_schedule": NewSchedule,
    "node": NodeRecord,
    "node_process": NodeProcess,
    "passport": PassportRecord,
    "queue": QueueRecord,
    "release": Release,
    "run": RunRecord,
    "run_age": RunAge,
    "running_run": RunningRun,
    "schedule": ScheduleRecord,
    "signal": SignalRecord,
    "step": StepRecord,
}
"""By the name that statements call them by."""


def columns(noun: str) -> list[tuple[str, str]]:
    """Name and type of the columns of a record."""
    hints = get_type_hints(RECORDS[noun])
    return [(name, "bigint" if int in (kind, *get_args(kind)) else "text") for name, kind in hints.items()]


def record(kind: type[T], row: Row) -> T:
    """A row as the record whose fields are the columns, in order."""
    if issubclass(kind, tuple):
        made: T = kind._make(row)  # type: ignore[attr-defined]
        return made
    return kind(**dict(zip(kind.__slots__, row, strict=True)))  # type: ignore[attr-defined]


def as_row(record: Any) -> Row:
    """The way back."""
    return _values(type(record))(record)  # type: ignore[arg-type]


@cache
def _values(kind: type) -> Callable[[object], Row]:
    return attrgetter(*kind.__slots__)  # type: ignore[attr-defined]
