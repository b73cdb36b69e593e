"""The learning platform: analytics, reports, sessions, logs and secrets, each kept in order by a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.application import on_demand

if TYPE_CHECKING:
    from rota import Blueprint


def jobs() -> Blueprint:
    """Its jobs, with the settings of this process."""
    from apps.learn.blueprint import make_blueprint
    from apps.learn.settings import Settings

    return make_blueprint(Settings.from_env())


__getattr__ = on_demand(__name__, lambda: [jobs()])
