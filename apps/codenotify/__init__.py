"""CodeNotify: tells people of programming contests before they start, once, over the channels they chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota import Blueprint


def jobs() -> Blueprint:
    """Its jobs, with the settings of this process."""
    from apps.codenotify.blueprint import make_blueprint
    from apps.codenotify.settings import Settings

    def services() -> Any:
        from apps.codenotify.services import current

        return current()

    return make_blueprint(Settings.from_env(), services)


def __getattr__(name: str) -> Any:
    if name != "rota":
        raise AttributeError(f"module 'apps.codenotify' has no attribute {name!r}")
    from apps.application import application

    globals()[name] = application(jobs())
    return globals()[name]
