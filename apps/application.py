"""A ``Rota`` with the jobs of one application, or of several."""

from __future__ import annotations

import os

from rota import Blueprint, Rota

_made: list[Rota] = []


def application(*blueprints: Blueprint) -> Rota:
    """What the applications call the environment is what Rota calls it, where nobody has told it otherwise."""
    name = blueprints[0].prefix if len(blueprints) == 1 else "apps"  # so that one alone leaves the others' schedules be
    rota = Rota(name=name, environment=None if "ROTA_ENVIRONMENT" in os.environ else os.environ.get("APP_ENV"))
    for blueprint in blueprints:
        rota.include(blueprint)
    _made[:] = [rota]
    return rota


def current() -> Rota:
    """The one of this process, for jobs that look at how the others are."""
    return _made[0]
