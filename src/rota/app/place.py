"""Where an application can be imported from: a child process has to find it by name."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

_PROGRAM = ("__main__", "__mp_main__")
"""The names that the running program has for itself; multiprocessing adds the second."""


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
