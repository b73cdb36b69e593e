"""``python -m apps.learn.load FILE.json``: fill the empty database."""

from __future__ import annotations

from apps.files import put_files
from apps.learn.blueprint import open_database
from apps.learn.settings import Settings
from apps.learn.tables import metadata
from apps.loading import load_main

if __name__ == "__main__":
    settings = Settings.from_env()
    load_main(open_database(settings), metadata, {"_log_dir": lambda files: put_files(settings.logs, files)})
