"""``python -m apps.learn.load FILE.json``: fill the empty database."""

from __future__ import annotations

from functools import partial

from apps.files import put_files
from apps.learn.rotation import put_values
from apps.learn.sessions import client
from apps.learn.settings import Settings
from apps.learn.tables import metadata
from apps.loading import load_main
from apps.own_tables import open_database
from apps.redis_data import put_keys

if __name__ == "__main__":
    settings = Settings.from_env()
    places = {
        "_log_dir": partial(put_files, settings.logs),
        "_redis": partial(put_keys, partial(client, settings)),
        "_secret_store": partial(put_values, settings),
    }
    load_main(open_database(settings, metadata), metadata, places)
