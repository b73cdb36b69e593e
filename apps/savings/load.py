"""``python -m apps.savings.load FILE.json``: fill the empty database."""

from __future__ import annotations

from apps.loading import load_main
from apps.own_tables import open_database
from apps.savings.settings import Settings
from apps.savings.tables import metadata

if __name__ == "__main__":
    load_main(open_database(Settings.from_env(), metadata), metadata)
