"""The applications that come with Rota. The command line finds them as ``apps:rota``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.codenotify.blueprint import make_blueprint
from apps.codenotify.settings import Settings
from rota import Rota

if TYPE_CHECKING:
    from apps.codenotify.services import Services


def _services() -> Services:
    from apps.codenotify.services import current

    return current()


rota = Rota.from_env()
rota.include(make_blueprint(Settings.from_env(), _services))
