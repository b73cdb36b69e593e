"""``python -m apps.bazaar.load FILE.json``: fill the empty database."""

from __future__ import annotations

from apps.bazaar.settings import Settings
from apps.bazaar.tables import metadata
from apps.files import put_files
from apps.loading import load_main
from apps.own_tables import open_database


def main() -> None:
    settings = Settings.from_env()
    load_main(open_database(settings, metadata), metadata, {"_files": lambda files: put_files(settings.uploads, files)})


if __name__ == "__main__":
    main()
