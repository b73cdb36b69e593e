"""CodeNotify: tells people of programming contests before they start, once, over the channels they chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.application import on_demand

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


__getattr__ = on_demand(__name__, lambda: [jobs()])
