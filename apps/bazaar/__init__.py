"""Multiverse Bazaar: what people build and show there is kept in order by seven jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.application import on_demand

if TYPE_CHECKING:
    from rota import Blueprint


def jobs() -> Blueprint:
    """Its jobs, with the settings of this process."""
    from apps.bazaar.blueprint import make_blueprint
    from apps.bazaar.settings import Settings

    return make_blueprint(Settings.from_env())


__getattr__ = on_demand(__name__, lambda: [jobs()])
