"""The savings groups: what is old is archived, members hear of their week, groups move on when their time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.application import on_demand

if TYPE_CHECKING:
    from rota import Blueprint


def jobs() -> Blueprint:
    """Its jobs, with the settings of this process."""
    from apps.savings.blueprint import make_blueprint
    from apps.savings.settings import Settings

    return make_blueprint(Settings.from_env())


__getattr__ = on_demand(__name__, lambda: [jobs()])
