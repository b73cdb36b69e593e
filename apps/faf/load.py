"""``python -m apps.faf.load FILE.json``: fill the empty database."""

from __future__ import annotations

from apps.faf.settings import Settings
from apps.faf.tables import metadata
from apps.loading import load_main
from apps.own_tables import open_database

if __name__ == "__main__":
    load_main(open_database(Settings.from_env(), metadata), metadata)
