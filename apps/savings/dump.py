"""``python -m apps.savings.dump [TABLE …]``: print what is in the database."""

from __future__ import annotations

from apps.loading import dump_main
from apps.own_tables import open_database
from apps.savings.settings import Settings
from apps.savings.tables import metadata

if __name__ == "__main__":
    dump_main(open_database(Settings.from_env(), metadata), metadata)
