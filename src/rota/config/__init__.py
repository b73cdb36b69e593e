"""Settings: what one start of Rota is told, by whom, and whether it makes sense.

Four sources, the later over the earlier: the defaults in `model/settings.py`; `app` under `[tool.rota]` in
pyproject.toml; `rota.toml`; the environment. Both files are looked for from the working directory upward;
ROTA_CONFIG names another than `rota.toml`. A variable is `ROTA_` and the path of the setting in capitals,
joined by `__`: `ROTA_WORKER__THREADS=16`. With `_FILE` after it, it names a file that holds the value, for
secrets. An empty variable counts as not set.

Import this where it is used: pydantic takes longer to load than a small command takes to run.
"""

from rota.config.places import values
from rota.config.sources import load_settings
from rota.model.settings import QueueSettings, ScheduleSettings, Settings

__all__ = ["QueueSettings", "ScheduleSettings", "Settings", "load_settings", "values"]
