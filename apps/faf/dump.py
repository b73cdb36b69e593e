"""``python -m apps.faf.dump [TABLE …]``: print what is in the database."""

from __future__ import annotations

from apps.faf.blueprint import open_database
from apps.faf.settings import Settings
from apps.faf.tables import metadata
from apps.loading import dump_main

if __name__ == "__main__":
    dump_main(open_database(Settings.from_env()), metadata)
