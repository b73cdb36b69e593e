"""The applications that come with Rota. The command line finds them as ``apps:rota``."""

from __future__ import annotations

from apps.codenotify.blueprint import make_blueprint
from apps.codenotify.services import current
from apps.codenotify.settings import Settings
from rota import Rota

rota = Rota.from_env()
rota.include(make_blueprint(Settings.from_env(), current))
