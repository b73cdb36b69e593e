"""Where an application can be imported from: a child process has to find it by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from rota.errors import ConfigError
from rota.model.job import Job

_PROGRAM = ("__main__", "__mp_main__")
"""The names that the running program has for itself; multiprocessing adds the second."""


def child_of(app: object, jobs: Mapping[str, Job]) -> list[str] | None:
    """The command that starts a process for one slot; ``None`` where it would not find the application.

    Raises ``ConfigError`` where a job needs such a process all the same.
    """
    place = place_of(app)
    apart = next((name for name, job in jobs.items() if job.executor == "process"), None)
    if place is None and apart is not None:
        raise ConfigError(
            f"job {apart!r} is to be done in a process of its own, which would not find this application",
            hint="Make the Rota a global name of a module: rota = Rota(…).",
        )
    return None if place is None else [sys.executable, "-m", "rota.cli.slot", place]


def place_of(app: object) -> str | None:
    """``module:attribute`` under which another process finds this object; ``None`` where it is in no module."""
    for name, module in sorted(sys.modules.items(), key=lambda item: item[0] in _PROGRAM):  # the program comes last
        for attribute, value in list(vars(module).items()) if isinstance(module, ModuleType) else ():
            if value is app and (found := _importable(name, module)):
                return f"{found}:{attribute}"
    return None


def _importable(name: str, module: ModuleType) -> str | None:
    """A program is ``__main__`` to itself alone: others know it by its file."""
    if name not in _PROGRAM:
        return name
    if module.__spec__ is not None:
        return module.__spec__.name
    file = getattr(module, "__file__", None)
    return Path(file).stem if file else None
