"""``python -m apps.bazaar.dump [TABLE …]``: print what is in the database."""

from __future__ import annotations

from apps.bazaar.settings import Settings
from apps.bazaar.tables import metadata
from apps.loading import dump_main
from apps.own_tables import open_database

if __name__ == "__main__":
    dump_main(open_database(Settings.from_env(), metadata), metadata)
