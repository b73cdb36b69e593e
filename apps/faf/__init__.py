"""Form-a-Friend: once a month everybody asks his friends how they are, and is told what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.application import on_demand

if TYPE_CHECKING:
    from rota import Blueprint


def jobs() -> Blueprint:
    """Its jobs, with the settings of this process."""
    from apps.application import current
    from apps.faf.blueprint import make_blueprint
    from apps.faf.settings import Settings

    return make_blueprint(Settings.from_env(), current)


__getattr__ = on_demand(__name__, lambda: [jobs()])
