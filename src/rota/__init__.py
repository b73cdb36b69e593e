"""Rota: the right job, at the right moment, once, and you can see why."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rota.version import __version__ as __version__

if TYPE_CHECKING:
    from rota.app import Blueprint, Rota
    from rota.body.run import Run
    from rota.calendar import Dates, Holidays, Trigger, WeeklyWindows, any_of, at, cron, every
    from rota.errors import RotaError
    from rota.model.event import Event
    from rota.model.outcome import Cancelled, Failed, JobResult, Snoozed, Succeeded
    from rota.model.retry import Retry
    from rota.model.run import RunState
    from rota.model.signal import Signal

_HOMES = {
    "Blueprint": "rota.app",
    "Cancelled": "rota.model.outcome",
    "Dates": "rota.calendar",
    "Event": "rota.model.event",
    "Failed": "rota.model.outcome",
    "Holidays": "rota.calendar",
    "JobResult": "rota.model.outcome",
    "Retry": "rota.model.retry",
    "Rota": "rota.app",
    "RotaError": "rota.errors",
    "Run": "rota.body.run",
    "RunState": "rota.model.run",
    "Signal": "rota.model.signal",
    "Snoozed": "rota.model.outcome",
    "Succeeded": "rota.model.outcome",
    "Trigger": "rota.calendar",
    "WeeklyWindows": "rota.calendar",
    "any_of": "rota.calendar",
    "at": "rota.calendar",
    "cron": "rota.calendar",
    "every": "rota.calendar",
}

__all__ = [
    "Blueprint",
    "Cancelled",
    "Dates",
    "Event",
    "Failed",
    "Holidays",
    "JobResult",
    "Retry",
    "Rota",
    "RotaError",
    "Run",
    "RunState",
    "Signal",
    "Snoozed",
    "Succeeded",
    "Trigger",
    "WeeklyWindows",
    "any_of",
    "at",
    "cron",
    "every",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'rota' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
