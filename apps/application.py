"""A ``Rota`` with the jobs of one application, or of several."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota import Blueprint, Rota

_made: list[Rota] = []


def application(*blueprints: Blueprint) -> Rota:
    """What the applications call the environment is what Rota calls it, where nobody has told it otherwise."""
    from rota import Rota

    name = blueprints[0].prefix if len(blueprints) == 1 else "apps"  # so that one alone leaves the others' schedules be
    rota = Rota(name=name, environment=None if "ROTA_ENVIRONMENT" in os.environ else os.environ.get("APP_ENV"))
    for blueprint in blueprints:
        rota.include(blueprint)
    _made[:] = [rota]
    return rota


def current() -> Rota:
    """The one of this process, for jobs that look at how the others are."""
    return _made[0]


def on_demand(module: str, blueprints: Callable[[], Sequence[Blueprint]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package whose ``rota`` is made when somebody first asks for it."""

    def find(name: str) -> Any:
        if name != "rota":
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        made = application(*blueprints())
        setattr(sys.modules[module], name, made)
        return made

    return find
