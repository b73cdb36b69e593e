"""The applications that come with Rota. The command line finds them as ``apps:rota``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from apps.codenotify.blueprint import make_blueprint
from apps.codenotify.settings import Settings
from rota import Rota

if TYPE_CHECKING:
    from apps.codenotify.services import Services


def _services() -> Services:
    from apps.codenotify.services import current

    return current()


# What the applications call the environment is what Rota calls it, where nobody has told it otherwise.
rota = Rota(environment=None if "ROTA_ENVIRONMENT" in os.environ else os.environ.get("APP_ENV"))
rota.include(make_blueprint(Settings.from_env(), _services))
