"""The savings groups: what is old is archived, members hear of their week, groups move on when their time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota import Blueprint


def jobs() -> Blueprint:
    """Its jobs, with the settings of this process."""
    from apps.savings.blueprint import make_blueprint
    from apps.savings.settings import Settings

    return make_blueprint(Settings.from_env())


def __getattr__(name: str) -> Any:
    if name != "rota":
        raise AttributeError(f"module 'apps.savings' has no attribute {name!r}")
    from apps.application import application

    globals()[name] = application(jobs())
    return globals()[name]
